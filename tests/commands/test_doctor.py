"""The doctor's command line, and what it does before a training."""

import json
import logging
import runpy
import sys

import pytest
import torch
from conftest import QUICK, ROOT, TINY, train_args

from retina_cli.main import main as cli
from retina_plugin.analysis.doctor import data as data_checks
from retina_plugin.analysis.doctor import examine as examining
from retina_plugin.analysis.doctor.finding import Finding
from retina_plugin.commands import train as training
from retina_plugin.commands.analysis.doctor import as_text, doctor, is_sound
from retina_plugin.commands.train import remarks_on
from retina_plugin.config import get_config
from retina_plugin.engine import main

WARNING = Finding("warning", "box-odd", "boxes are odd", "a.json", "look")


@pytest.fixture(autouse=True)
def only_data(monkeypatch):
    monkeypatch.setattr(examining, "PARTS", (examining.data,))


@pytest.fixture
def checks(monkeypatch):
    """A function that replaces all checks."""

    def replace(*found):
        monkeypatch.setattr(data_checks, "CHECKS", found)
        monkeypatch.setattr(data_checks, "QUICK_CHECKS", found)

    return replace


def tool(monkeypatch, capsys, *argv):
    monkeypatch.setattr(sys, "argv", ["doctor", *argv])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools/doctor.py"), run_name="__main__")
    return end.value.code, capsys.readouterr()


def test_no_findings_are_said_and_end_with_status_0(checks, monkeypatch, capsys):
    checks()
    code, out = tool(monkeypatch, capsys, "--config-file", QUICK)
    assert (code, out.out) == (0, "no findings\n")


def test_a_run_without_findings_is_told_its_next_command(monkeypatch, capsys):
    monkeypatch.setattr("retina_plugin.commands.analysis.doctor.examine_run", lambda run, trust: [])
    code, out = tool(monkeypatch, capsys, "--run", "output/my run")
    assert code == 0 and out.out.startswith("no findings in 15 checks of files, course of the loss,")
    assert out.out.endswith("retina analyze-errors --run 'output/my run'\n")
    assert tool(monkeypatch, capsys, "--run", "output/my run", "--json")[1].out == "[]\n"


def test_findings_are_json_and_end_with_status_1(monkeypatch, capsys):
    argv = ["--config-file", QUICK, *TINY, "dataloader.train.dataset.names=nothing_like_it", "--json"]
    code, out = tool(monkeypatch, capsys, *argv)
    (finding,) = (finding for finding in json.loads(out.out) if finding["severity"] == "error")
    assert code == 1 and sorted(finding) == ["code", "fix", "message", "severity", "where"]
    assert (finding["severity"], finding["code"]) == ("error", "data-set-unknown")


def test_overrides_are_of_a_config(monkeypatch, capsys):
    code, out = tool(monkeypatch, capsys, "--run", "folder", "train.max_iter=3")
    assert code == 2 and "go with --config-file" in out.err


def test_a_config_with_an_error_is_a_finding(tmp_path):
    (finding,) = doctor(QUICK, ["train.max_itr=3"])
    assert finding.code == "config-invalid" and "did you mean max_iter" in finding.message
    (finding,) = doctor(tmp_path / "no.py")
    assert finding.where == str(tmp_path / "no.py")
    (finding,) = doctor("custom/retinanet_MNV2_FPN.py")
    assert finding.code == "config-invalid" and "data.train_json=..." in finding.message
    assert "docs/own_data.md" in finding.message


def test_a_check_that_fails_hides_nothing(checks):
    def failing_check(subject):
        yield Finding("hint", "first", "found before the failure", "", "")
        raise KeyError("lost")

    checks(failing_check, lambda subject: [WARNING])
    found = examining.examine(get_config(QUICK))
    assert [f.code for f in found] == ["check-failed", "box-odd", "first"]
    assert "failing_check" in found[0].message and "lost" in found[0].message and not is_sound(found)


def test_errors_come_first_and_each_finding_once(checks):
    error = Finding("error", "worse", "worse", "", "")
    checks(lambda subject: [WARNING], lambda subject: [error, WARNING])
    found = examining.examine(get_config(QUICK))
    assert found == [error, WARNING]
    assert as_text(found).startswith("error: worse [worse]") and as_text([]) == "no findings"


def test_tracebacks_are_shown_on_request(checks, monkeypatch):
    monkeypatch.setenv("RETINA_PLUGIN_TRACEBACK", "1")
    checks(lambda subject: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        examining.examine(get_config(QUICK))


def test_training_logs_the_quick_findings_and_stays_the_same(checks, tmp_path):
    checks(lambda subject: [WARNING, Finding("hint", "minor", "minor", "", "")])
    plain = main(train_args(tmp_path / "plain"))
    examined = main(train_args(tmp_path / "examined"), remarks_on)
    assert str(plain) == str(examined)  # nan is not equal to itself
    plain, examined = (
        torch.load(tmp_path / run / "model_final.pth", weights_only=False)["model"] for run in ("plain", "examined")
    )
    assert all(torch.equal(plain[key], examined[key]) for key in plain)
    log = (tmp_path / "examined/log.txt").read_text()
    assert "WARNING: doctor: boxes are odd [box-odd], a.json. To do: look" in log and "minor" not in log
    assert "doctor" not in (tmp_path / "plain/log.txt").read_text()
    main(train_args(tmp_path / "examined", resume=True), remarks_on)
    assert (tmp_path / "examined/log.txt").read_text().count("box-odd") == 1


def test_nothing_of_the_doctor_stops_a_training(tiny_cfg, monkeypatch):
    monkeypatch.setattr(training, "findings_of", lambda cfg, quick: 1 / 0)
    assert remarks_on(tiny_cfg()) == ["The doctor could not examine this config: ZeroDivisionError: division by zero"]
    monkeypatch.setattr(training, "_MOST_BYTES", 10)
    assert "too large" in remarks_on(tiny_cfg())[0]


def test_the_quick_checks_read_no_image(tiny_cfg, monkeypatch):
    monkeypatch.delattr("PIL.Image.open")
    assert not [line for line in remarks_on(tiny_cfg()) if "check-failed" in line or "unreadable" in line]


@pytest.mark.parametrize("flags", [[], ["--no-doctor"]])
def test_the_command_line_leaves_the_doctor_out_on_request(flags, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "retina_plugin.engine.cli.launch_training", lambda main, args: asked.append(getattr(main, "keywords", None))
    )
    with pytest.raises(SystemExit):
        cli(["train", "--config-file", QUICK, *flags])
    assert asked == [None if flags else {"remarks": remarks_on}]


def test_the_logs_of_loaders_are_not_repeated(checks, caplog):
    def check(subject):
        logging.getLogger("retina_plugin").warning("as a loader says")
        return []

    checks(check)
    doctor(QUICK)
    assert not caplog.records
    logging.getLogger("retina_plugin").warning("afterwards")
    assert len(caplog.records) == 1
