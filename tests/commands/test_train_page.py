"""The page that ends a training."""

import argparse
import shutil

import pytest
from conftest import QUICK, TINY

from retina_cli.main import main
from retina_plugin.analysis import run_report
from retina_plugin.commands import train as training
from retina_plugin.commands.train import train

SHORT = [*TINY, "train.max_iter=2"]


@pytest.fixture
def command(tmp_path):
    """A function of more arguments that runs `retina train` in `run` and gives its status."""

    def run(*argv):
        with pytest.raises(SystemExit) as end:
            main(["train", "--config-file", QUICK, "--no-doctor", f"train.output_dir={tmp_path}/run", *SHORT, *argv])
        return end.value.code

    return run


@pytest.fixture
def asked(monkeypatch):
    """The folders whose page is written, in place of writing them."""
    folders = []
    monkeypatch.setattr(training, "write_page", folders.append)
    return folders


def test_a_training_ends_with_a_page_of_its_saved_detections(command, tmp_path, monkeypatch, unseen_figures):
    monkeypatch.delattr("retina_plugin.analysis.errors.analysis.explain")  # no detector runs for it
    assert command() == 0
    source = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for part in ("Training", "The cost of each type of error", "Last evaluation", "Config"):
        assert f"<h2>{part}</h2>" in source
    assert f"retina report {tmp_path}/run computes its anchors" in source


def test_a_page_that_cannot_be_written_fails_no_training(command, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(run_report, "write_run_report", lambda *args, **kwargs: 1 / 0)
    assert command() == 0
    assert f"not written: ZeroDivisionError: division by zero. `retina report {tmp_path}/run` tries" in caplog.text
    assert not (tmp_path / "run" / "report.html").exists()


def test_runs_that_are_to_be_continued_have_no_page(command, tmp_path, caplog):
    assert command("train.max_minutes=0.0") == 0
    assert not (tmp_path / "run" / "report.html").exists() and "page" not in caplog.text


@pytest.mark.parametrize("flag", ["--no-report", "--eval-only", "RANK"])
def test_there_is_none_unasked_and_in_other_processes(flag, command, trained_run, tmp_path, asked, monkeypatch):
    shutil.copytree(trained_run, tmp_path / "run")
    monkeypatch.setattr(training, "start_training", lambda args, remarks: None)
    if flag == "RANK":
        monkeypatch.setenv("RANK", "1")
    assert command(*[flag] * (flag != "RANK")) == 0
    assert asked == []
    monkeypatch.delenv("RANK", raising=False)
    assert command() == 0
    assert asked == [f"{tmp_path}/run"]


def test_none_is_written_when_the_training_is_interrupted(tmp_path, asked, monkeypatch):
    def interrupted(args, remarks):
        raise SystemExit(130)

    monkeypatch.setattr(training, "start_training", interrupted)
    flags = dict.fromkeys(("no_report", "no_doctor", "eval_only"), False)
    with pytest.raises(SystemExit):
        train(argparse.Namespace(config_file=QUICK, opts=SHORT, machine_rank=0, **flags))
    assert asked == []


def test_the_engine_alone_as_in_studies_writes_none(trained_run):
    assert not (trained_run / "report.html").exists()
