"""What is known of runs while they are under way."""

import json
import os

import pytest
from studies import tiny_study

from retina_plugin.study.execution.job import RunEnd
from retina_plugin.study.execution.prepare import make_job
from retina_plugin.study.execution.progress import Progress


@pytest.fixture
def job(tmp_path):
    study = tiny_study(tmp_path, {"focal": []})
    job = make_job(study, study.variants[0], 0, threads=1)
    job.run_dir.mkdir(parents=True)
    return job


def write(job, *lines, end="\n"):
    (job.run_dir / "metrics.json").write_text("\n".join(map(json.dumps, lines)) + end)


MANY_CATEGORIES = {f"bbox/AP-{i:040d}": 0.5 for i in range(1000)}


@pytest.mark.parametrize(
    ("lines", "end", "expected"),
    [
        ([], "", 0),
        ([{"iteration": 0, "lr": 1}], "\n", 1),
        ([{"iteration": 9, "lr": 1}], '\n{"iteration": 1', 10),  # still being written
        ([{"iteration": 9}, MANY_CATEGORIES | {"iteration": 19}], "\n", 20),
        ([{"iteration": 99}], "\n", 24),  # of a longer run, which the next start moves aside
    ],
)
def test_iterations_are_read_while_they_are_written(job, capsys, lines, end, expected):
    write(job, *lines, end=end)
    progress = Progress([job], [])
    progress.show([job])
    assert progress._now == expected
    progress.close()


def test_a_run_that_fails_leaves_no_work_behind(job, capsys):
    progress = Progress([job], [])
    progress.end_of(job, RunEnd(job.fingerprint, error="out of memory"))
    assert capsys.readouterr().err.strip().endswith("failed: out of memory")
    assert progress._total == progress._done == 0
    progress.close()


def test_without_a_terminal_lines_tell_how_far_every_run_is(job, capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("retina_plugin.study.execution.progress.time.monotonic", lambda: now[0])
    log = job.run_dir / "log.txt"
    log.write_text("of an earlier start\n")
    progress = Progress([job], [])
    progress.show([job])
    assert capsys.readouterr().err == ""  # it waits for a processor
    log.write_text("of an earlier start\nbegins\n")
    os.utime(log, (0, 0))  # times of files may lag behind the clock
    for now[0], done in ((1.0, 0), (2.0, 5), (16.0, 10), (30.0, 24)):
        if done:
            write(job, {"iteration": done - 1})
        progress.show([job])
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    # 2.0 is too early for another line; 10 iterations in 15 seconds leave 21 for the other 14
    assert lines == [
        "0 of 24 iterations: focal, seed 0: 0/24, starting",
        "10 of 24 iterations: focal, seed 0: 10/24, 21 s left",
        "24 of 24 iterations: focal, seed 0: 24/24, evaluating",
    ]
