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
    report_outcome,
    run_study,
)
from retina_plugin.study.execution import processes

VARIANTS = {"focal": [], "pafpn": ["model.backbone._target_=retina_plugin.modeling.PAFPN"]}
TOLD = ("verdicts", "rows", "class_rows", "scales", "changes", "num_images")


def small_study(folder):
    """Two variants whose weights have to be paired, two runs."""
    return tiny_study(folder, VARIANTS, max_iter=20)


def forked(target, *args):
    process = multiprocessing.get_context("fork").Process(target=target, args=args)
    process.start()
    return process


def run_and_report(file):
    # this process is fresh and has imported everything: it needs no server that imports it again
    processes.start_process = forked
    study = load_study(file)
    results = run_study(study, build_executor(jobs=2))
    report_outcome(study, results)


def writers_into(place):
    """All processes that write into a log below a folder, or into one file."""
    for fd in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            target = fd.readlink()
        except OSError:
            continue  # it is gone, or not ours
        if target.is_relative_to(place):
            yield int(fd.parts[2])


def kill_when(condition, study, file):
    """Start the study, and kill it and all of its processes as soon as the condition holds."""
    process = processes.start_process(run_and_report, file)
    wait_for(lambda: condition(study.output_dir) or not process.is_alive())
    assert process.is_alive(), "it ended before"
    for pid in (process.pid, *writers_into(study.output_dir)):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(pid, signal.SIGKILL)
    process.join()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def is_preparing(out):
    return any(writers_into(out / "preparation.log"))


def is_pairing(out):
    return is_preparing(out) and not (out / "pafpn/seed0.initial.json").is_file()


def is_beginning(out):
    return (out / "focal/seed0/facts.json").is_file()


def is_evaluating(out):
    return any(out.glob("*/seed0/model_final.pth"))


def is_measuring(out):
    return is_preparing(out) and is_evaluating(out)


def is_drawing(out):
    return (out / "report.json").is_file()


MOMENTS = [is_pairing, is_beginning, is_evaluating, is_measuring, is_drawing]


def test_a_study_killed_at_every_stage_reports_the_same(tmp_path):
    whole = small_study(tmp_path / "whole")
    expected = run_study(whole, build_executor(jobs=2))
    report_outcome(whole, expected)
    study = small_study(tmp_path / "killed")
    for moment in MOMENTS:
        kill_when(moment, study, tmp_path / "killed/study.py")
    assert not (study.output_dir / "report.html").is_file()
    results = run_study(study, build_executor(jobs=2))
    report_outcome(study, results)
    assert_same_numbers(results, expected)
    one, other = (json.loads((s.output_dir / "report.json").read_text()) for s in (whole, study))
    assert {key: one[key] for key in TOLD} == {key: other[key] for key in TOLD}
