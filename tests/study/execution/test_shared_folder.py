"""Two studies do not write into one folder, and a study that is interrupted says so."""

import json
import multiprocessing
import os
import signal

import pytest
from studies import is_alive, iterations, tiny_study, trainer_pid, wait_for

from retina_plugin.engine.reliability.folder_lock import FolderInUseError, FolderLock
from retina_plugin.files import write_json
from retina_plugin.run_folder import find_weights
from retina_plugin.study import run_study
from retina_plugin.study.execution.job import RunEnd, holds_part_of, known_end, what_changed, write_end
from retina_plugin.study.execution.prepare import make_job
from retina_plugin.study.execution.results import found_results
from retina_plugin.study.execution.run_process import RunProcess


def test_a_second_study_in_a_folder_is_refused_before_it_writes(tmp_path):
    study = tiny_study(tmp_path, {"focal": []})
    with FolderLock(study.output_dir), pytest.raises(FolderInUseError, match="out is in use by process"):
        run_study(study)
    assert not study.output_dir.exists()


def test_a_run_whose_files_cannot_be_written_fails_alone(tmp_path, monkeypatch):
    study = tiny_study(tmp_path, {"focal": []})
    job = make_job(study, study.variants[0], 0, 1)
    job.run_dir.mkdir(parents=True)
    (tmp_path / "victim").write_text("precious")
    job.sibling_path(".log").symlink_to(tmp_path / "victim")
    assert "seed0.log is a symbolic link in place of a file: remove it" in RunProcess(job).poll().error
    assert (tmp_path / "victim").read_text() == "precious"
    with FolderLock(job.run_dir):  # it has given its lock up
        pass
    (job.run_dir / "result.json").mkdir()
    run = RunProcess(job)
    assert "cannot write" in run._note("").error and run._note("interrupted").error == "interrupted"


def test_damaged_facts_do_not_block_a_run_whose_end_says_what_it_is(tmp_path, caplog):
    study = tiny_study(tmp_path, {"focal": []})
    job = make_job(study, study.variants[0], 0, 1)
    write_json(job.run_dir / "facts.json", job.facts)
    write_end(job, RunEnd(job.fingerprint, error="interrupted"))
    assert holds_part_of(job) and what_changed(job) == []
    (job.run_dir / "facts.json").write_bytes(b"\x00" * 99)
    assert holds_part_of(job) and f"{job.run_dir}/facts.json is ignored" in caplog.text
    (job.run_dir / "result.json").write_text("")
    assert not holds_part_of(job) and what_changed(job) == [] and known_end(job) is None


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
    leftovers = [path / ".0123456789ab.partial" for path in (study.output_dir, folder.parent, folder)]
    for path in leftovers:
        path.touch()
    (result,) = run_study(study)
    assert not result.error and not any(path.exists() for path in leftovers)
    end = json.loads((folder / "result.json").read_text())
    for error, told in (("has not ended", ""), ("interrupted", "interrupted")):
        (folder / "result.json").write_text(json.dumps(end | {"error": error}))
        assert found_results(study)[0].error == told
