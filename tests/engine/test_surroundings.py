"""The environment, the locale and the place of a training: one clear line each."""

import os
import subprocess
import sys

import forked
import pytest
from conftest import QUICK, REAL_NET, TINY, train_args

from retina_plugin.config import ConfigError
from retina_plugin.engine import main
from retina_plugin.engine.output_folder import check_output_dir
from retina_plugin.engine.setup import check_omp_threads
from retina_plugin.run_folder import find_weights
from retina_plugin.study import build_executor

ENGINE = [sys.executable, "-m", "retina_plugin.engine", "--config-file"]


@pytest.mark.parametrize("value", ["0", "abc", "-1", "1.5", "²", "9" * 5000, "0x4"])
def test_a_bad_number_of_threads_is_named(value, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    for act in (lambda: main(train_args(tmp_path / "run")), build_executor):
        with pytest.raises(ConfigError, match="OMP_NUM_THREADS=.*whole number of 1 or more") as error:
            act()
        assert len(str(error.value)) < 200
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("value", "threads"), [("", None), ("3", 3), ("4,2", 4), (" 2 ", 2)])
def test_a_good_number_of_threads_is_used(value, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert check_omp_threads() == threads


def test_a_plain_training_says_it_in_one_line(tmp_path):
    command = [*ENGINE, QUICK, *TINY, f"train.output_dir={tmp_path}/run"]
    done = forked.run(command, env=os.environ | {"OMP_NUM_THREADS": "abc"})
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: the environment variable OMP_NUM_THREADS='abc'")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\0b", "control characters"),
        ("a\nb", "control characters"),
        ("~/runs", "not expanded"),
        ("x" * 300, "too long"),
        ("a/" * 2000, "too long"),
    ],
)
def test_an_output_folder_that_cannot_be_one_is_named(value, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"train.output_dir=.*{told}") as error:
        check_output_dir(value)
    assert len(str(error.value)) < 200 and str(error.value).isprintable()
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run" / "deeper"):
        with pytest.raises(OSError, match=f"{tmp_path}/file is a file"):
            main(train_args(path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=f"train.output_dir={tmp_path}/run cannot be written: .* at {tmp_path}"):
        main(train_args(tmp_path / "run"))


def test_a_locale_without_utf8_trains(tmp_path):
    """Names of categories, paths in config.yaml and the log are UTF-8 all the same."""
    name = "Erythrozyten-größer"
    (tmp_path / "config.py").write_text(
        f"from retina_plugin.config import get_config\n_base = get_config({QUICK!r})\n"
        "model, dataloader, train, optimizer = _base.model, _base.dataloader, _base.train, _base.optimizer\n"
        "lr_multiplier, losses, box_losses = _base.lr_multiplier, _base.losses, _base.box_losses\n"
        "synthetic = _base.synthetic\n"
        f"notes = dict(name={name!r})  # größer\n",
        encoding="utf-8",
    )
    opts = [*TINY, REAL_NET, "train.max_iter=1", f"train.output_dir={tmp_path}/run"]
    environment = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [*ENGINE, str(tmp_path / "config.py"), *opts]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    assert find_weights(tmp_path / "run").name == "model_final.pth"
    assert name in (tmp_path / "run" / "config.yaml").read_text(encoding="utf-8")
