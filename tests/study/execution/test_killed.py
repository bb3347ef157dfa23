"""A study that is killed with everything it has started, whatever it was doing, ends as if nothing had been."""

import contextlib
import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from studies import assert_same_numbers, tiny_study, wait_for

from retina_plugin.study import (
    build_executor,
    load_study,
    report_results,
    run_study,
)

VARIANTS = {"focal": [], "pafpn": ["model.backbone._target_=retina_plugin.modeling.PAFPN"]}
TOLD = ("verdicts", "rows", "class_rows", "scales", "changes", "num_images")


def small_study(folder):
    """Two variants whose weights have to be paired, two runs."""
    return tiny_study(folder, VARIANTS, max_iter=20)


def children_of(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def run_and_report(file):
    study = load_study(file)
    report_results(study, run_study(study, build_executor(jobs=2)))


def report_in_numbers(study, results):
    """A report without figures and pictures; processes that are killed draw them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("retina_plugin.study.report.report.svg_uri", lambda figure: "")
        report_results(study, results, num_images=0)


def kill_when(condition, study, file):
    """Start the study, and kill it and all of its processes as soon as the condition holds."""
    # forked, because this process has imported everything
    process = multiprocessing.get_context("fork").Process(target=run_and_report, args=(file,))
    process.start()
    wait_for(lambda: condition(study.output_dir) or not process.is_alive())
    assert process.is_alive(), "it ended before"
    for pid in (process.pid, *children_of(process.pid)):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(pid, signal.SIGKILL)
    process.join()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def is_preparing(out):
    return out.is_dir()


def is_beginning(out):
    return (out / "focal/seed0/facts.json").is_file()


def is_evaluating(out):
    return any(out.glob("*/seed0/model_final.pth"))


def is_measuring(out):
    ends = [json.loads(path.read_text())["error"] for path in out.glob("*/seed0/result.json")]
    return ends == ["", ""]


def is_drawing(out):
    return (out / "report.json").is_file()


MOMENTS = [is_preparing, is_beginning, is_evaluating, is_measuring, is_drawing]


def test_a_study_killed_at_every_stage_reports_the_same(tmp_path):
    whole = small_study(tmp_path / "whole")
    expected = run_study(whole, build_executor(jobs=2))
    report_in_numbers(whole, expected)
    study = small_study(tmp_path / "killed")
    for moment in MOMENTS:
        kill_when(moment, study, tmp_path / "killed/study.py")
    assert not (study.output_dir / "report.html").is_file()
    results = run_study(study, build_executor(jobs=2))
    report_in_numbers(study, results)
    assert_same_numbers(results, expected)
    one, other = (json.loads((s.output_dir / "report.json").read_text()) for s in (whole, study))
    assert {key: one[key] for key in TOLD} == {key: other[key] for key in TOLD}
