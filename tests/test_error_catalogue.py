"""The page of errors has every message and every code of the doctor."""

import re
import sys

import pytest
from conftest import QUICK, ROOT

from retina_plugin.config import ConfigError, get_config, load_config
from retina_plugin.data import register_synthetic


@pytest.fixture(scope="module")
def catalogue():
    sys.path.insert(0, str(ROOT / "docs"))
    import error_catalogue

    yield error_catalogue
    sys.path.remove(str(ROOT / "docs"))


@pytest.mark.parametrize(
    "fail",
    [
        lambda: get_config(QUICK, ["train.max_itr=10"]),
        lambda: get_config(QUICK, ["train.max_iter"]),
        lambda: get_config("nowhere.py"),
        lambda: load_config(ROOT / "nowhere.yaml"),
        lambda: register_synthetic("train", 1, {"noise": 70}),
        lambda: register_synthetic("train", 1, {"nose": 7}),
    ],
    ids=["key", "override", "config", "yaml", "value", "setting"],
)
def test_messages_that_are_raised_are_listed(catalogue, fail):
    with pytest.raises((ConfigError, ValueError)) as caught:
        fail()
    found = [m for m in catalogue.messages() if catalogue.matches(m.text, str(caught.value))]
    assert any(len(m.text) > 12 for m in found), str(caught.value)


def test_all_codes_that_the_tests_of_the_doctor_expect_are_listed_with_their_meaning(catalogue):
    texts = " ".join(path.read_text() for path in (ROOT / "tests/analysis/doctor").rglob("*.py"))
    listed = {code.name: code for code in catalogue.codes()}
    source = " ".join(path.read_text() for path in (catalogue.PACKAGE / "analysis/doctor").rglob("*.py"))
    quoted = re.compile(r'"([a-z0-9]+(?:-[a-z0-9]+)+)"')
    expected = set(quoted.findall(texts)) & set(quoted.findall(source))
    assert len(expected) > 40 and expected <= set(listed), expected - set(listed)
    assert all(code.meaning and code.message and code.fix for code in listed.values())


@pytest.mark.parametrize(
    "message",
    [
        "output/x is in use by process 7 on this machine: wait until that process has ended, or choose another folder",
        "checkpoint x.pth asks for 'posix.system', which weights do not need: not loaded",
        "a process died. Checkpoints are intact: continue with --resume",
        "cannot write output/x/config.yaml; an earlier file there is unchanged: No space left on device",
        "out.txt must end in .safetensors or .pth",
        "dataloader.evaluator.max_dets_per_image must be a number or three, got [1, 2]",
    ],
)
def test_errors_of_every_class_are_listed(catalogue, message):
    assert any(len(m.text) > 12 and catalogue.matches(m.text, message) for m in catalogue.messages())


def test_an_update_that_is_not_finite_is_listed(catalogue):
    assert any("retina replay" in m.text for m in catalogue.messages())


def test_no_message_is_only_a_gap(catalogue):
    assert len(catalogue.messages()) > 200
    assert "## What the doctor finds" in catalogue.page()
