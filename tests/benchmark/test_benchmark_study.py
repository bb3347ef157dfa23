"""The overhead of a study, from logs whose times are known."""

import os
import sys
from datetime import datetime

import pytest

from retina_plugin.benchmark.study import benchmark_study, study_overhead

START = datetime(2026, 12, 31, 23, 59, 0).timestamp()


def write_run(folder, begin, end):
    """A run that trains from one second to another and leaves its result then."""
    folder.mkdir(parents=True)
    lines = [(begin - 3, "Building"), (begin, "Starting training from iteration 0"), (end, "done")]
    with (folder / "log.txt").open("w") as log:
        for second, text in lines:
            stamp = datetime.fromtimestamp(START + second).strftime("%m/%d %H:%M:%S")
            print(f"[{stamp}] d2.engine.train_loop INFO: {text}\nof two lines", file=log)
    os.utime(folder / "log.txt", (START + end, START + end))
    (folder / "result.json").write_text("{}")
    os.utime(folder / "result.json", (START + end, START + end))


def test_overhead_is_what_is_neither_training_nor_idle(tmp_path):
    write_run(tmp_path / "a/seed0", 20, 100)
    write_run(tmp_path / "b/seed0", 20, 110)
    write_run(tmp_path / "a/seed1", 105, 190)  # alone from second 110 on
    found = study_overhead(tmp_path, jobs=2, seconds=200)
    available = 2 * 200 - (190 - 110)
    assert found["overhead"] == pytest.approx(1 - (80 + 90 + 85) / available)
    assert (found["runs"], found["minutes"]) == (3, pytest.approx(200 / 60))
    assert study_overhead(tmp_path, 1, 300)["overhead"] == pytest.approx(1 - 255 / 300)


def test_runs_of_a_grid_lie_deeper(tmp_path):
    write_run(tmp_path / "few/short/a/seed0", 20, 100)
    write_run(tmp_path / "few/long/a/seed0", 120, 190)
    assert study_overhead(tmp_path, 1, 200)["overhead"] == pytest.approx(1 - 150 / 200)


def test_a_folder_with_runs_is_refused(tmp_path):
    write_run(tmp_path / "a/seed0", 1, 2)
    with pytest.raises(FileExistsError, match="choose another folder"):
        benchmark_study([sys.executable, "-c", "0"], tmp_path, 1)


def test_a_study_that_fails_has_no_overhead(tmp_path):
    with pytest.raises(ChildProcessError, match="failed"):
        benchmark_study([sys.executable, "-c", "raise SystemExit(1)"], tmp_path, 1)


def test_a_folder_without_runs_or_a_log_without_a_start_is_named(tmp_path):
    with pytest.raises(ValueError, match="no run that has ended"):
        study_overhead(tmp_path, 1, 9)
    write_run(tmp_path / "a/seed0", 1, 2)
    (tmp_path / "a/seed0/log.txt").write_text("[12/31 23:59:00 x]: hello\n")
    with pytest.raises(ValueError, match="log.txt does not say when training began"):
        study_overhead(tmp_path, 1, 9)
