"""Two studies do not write into one folder, and a study that is interrupted says so."""

import json
import multiprocessing
import os
import signal

import pytest
from studies import is_alive, iterations, tiny_study, trainer_pid, wait_for

from retina_plugin.engine.reliability.folder_lock import FolderInUseError, FolderLock
from retina_plugin.run_folder import find_weights
from retina_plugin.study import run_study
from retina_plugin.study.execution.results import found_results


def test_a_second_study_in_a_folder_is_refused_before_it_writes(tmp_path):
    study = tiny_study(tmp_path, {"focal": []})
    with FolderLock(study.output_dir), pytest.raises(FolderInUseError, match="out is in use by process"):
        run_study(study)
    assert not study.output_dir.exists()


def test_scancel_of_a_study_ends_it_truly(tmp_path, monkeypatch):
    """SIGTERM reaches the study and its runs at once; afterwards it goes on."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    study = tiny_study(tmp_path, {"focal": []}, max_iter=40)
    process = multiprocessing.get_context("fork").Process(target=run_study, args=(study,))
    process.start()
    wait_for(lambda: iterations(study, "focal") > 3)
    run = trainer_pid(study, "focal")
    for pid in (run, process.pid, process.pid):
        os.kill(pid, signal.SIGTERM)
    process.join(60)
    folder = study.run_dir("focal", 0)
    assert process.exitcode == 143 and not is_alive(run)
    (result,) = found_results(study)
    assert result.error == "interrupted"
    done = iterations(study, "focal")
    assert find_weights(folder).name == f"model_{done - 1:07d}.pth" and done < 40
    (result,) = run_study(study)
    assert not result.error
    end = json.loads((folder / "result.json").read_text())
    for error, told in (("has not ended", ""), ("interrupted", "interrupted")):
        (folder / "result.json").write_text(json.dumps(end | {"error": error}))
        assert found_results(study)[0].error == told
