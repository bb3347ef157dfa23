"""Runs of a study are known by what they follow from, and survive whatever kills them."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import forked
import pytest
import torch
from conftest import REAL_NET, ROOT, TINY
from studies import (
    CE,
    assert_same_numbers,
    is_alive,
    iterations,
    meanwhile,
    tiny_study,
    trainer_pid,
    wait_for,
)

from retina_plugin.config import ConfigError, get_config, load_config
from retina_plugin.study import build_executor, run_study
from retina_plugin.study.execution import executors, fingerprint, run_process
from retina_plugin.study.execution.job import known_end
from retina_plugin.study.execution.prepare import make_job
from retina_plugin.study.execution.run_process import RunProcess
from retina_plugin.study.execution.scales import loss_scale

VARIANTS = {"focal": [], "ce": [CE]}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """For each run, however many there are at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A study that nothing disturbed, and its results; two runs at once, while the tests below have one."""
    study = tiny_study(tmp_path_factory.mktemp("whole"), VARIANTS)
    return study, run_study(study, build_executor(jobs=2))


def test_runs_tell_time_memory_and_what_they_are(uninterrupted):
    study, results = uninterrupted
    for result in results:
        known = json.loads((study.run_dir(result.variant, 0) / "result.json").read_text())
        assert (known["error"], known["minutes"]) == ("", result.minutes)
        assert 100 < result.memory_mb == known["peak_memory_mb"] < 5000
        assert result.metrics["iteration"] == 24


def test_a_killed_study_leaves_no_process_and_goes_on(uninterrupted, tmp_path):
    study = tiny_study(tmp_path, {"ce": [CE]})
    command = [sys.executable, "tools/ablate.py", "--study", str(tmp_path / "study.py")]
    process = forked.Popen(command, cwd=ROOT, start_new_session=True)
    wait_for(lambda: iterations(study, "ce") > 12)
    pid = trainer_pid(study, "ce")
    os.kill(pid, signal.SIGSTOP)  # it would be done before all of this has happened
    process.kill()
    process.wait()
    os.kill(pid, signal.SIGCONT)
    results = run_study(study)
    assert not is_alive(pid)
    log = study.run_dir("ce", 0).with_name("seed0.log").read_text()
    assert log.count("$ python") == 2 and log.count("--resume ") == 1
    assert_same_numbers(results, uninterrupted[1])


def test_sigterm_stops_the_study_in_good_order(uninterrupted, tmp_path, capsys):
    study = tiny_study(tmp_path, {"focal": []})
    thread = meanwhile(lambda: iterations(study, "focal") > 12, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as end:
        run_study(study)
    thread.join()
    assert end.value.code == 143 and not is_alive(trainer_pid(study, "focal"))
    assert capsys.readouterr().err.endswith("stopped: the same command continues from there\n")
    assert_same_numbers(run_study(study), uninterrupted[1])


def test_a_killed_run_is_reported_and_tried_again(uninterrupted, tmp_path):
    study = tiny_study(tmp_path, {"focal": []})
    thread = meanwhile(
        lambda: iterations(study, "focal") > 12,
        lambda: os.kill(trainer_pid(study, "focal"), signal.SIGKILL),
    )
    (killed,) = run_study(study)
    thread.join()
    assert killed.error.startswith("killed by SIGKILL")
    assert_same_numbers(run_study(study), uninterrupted[1])


def test_a_run_that_does_not_leave_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "_PATIENCE", 0.2)
    study = tiny_study(tmp_path, {"focal": []})
    job = make_job(study, study.variants[0], 0, 1)
    job.write_config()
    executor = build_executor()
    executor.submit([job])
    wait_for(lambda: executor.poll(0.01) or iterations(study, "focal") > 2)
    pid = trainer_pid(study, "focal")
    os.kill(pid, signal.SIGSTOP)
    executor.stop()
    assert not is_alive(pid) and known_end(job).error.startswith("killed by SIGKILL")


def test_a_run_that_its_minutes_stopped_is_not_finished(tmp_path):
    hurried = tiny_study(tmp_path, {"focal": ["train.max_minutes=1e-4"]})
    (stopped,) = run_study(hurried)
    assert "train.max_minutes" in stopped.error and not stopped.metrics
    (again,) = run_study(hurried)
    assert again.error and again.minutes > stopped.minutes > 0


def test_one_process_at_a_time_trains_into_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(run_process, "subprocess", subprocess)  # as users have it; other runs here are forked
    study = tiny_study(tmp_path, {"focal": [REAL_NET]}, max_iter=20)
    job = make_job(study, study.variants[0], 0, 1)
    job.write_config()
    both = [RunProcess(job), RunProcess(job)]
    wait_for(lambda: all([run.poll() for run in both]))
    assert [run.poll().error for run in both] == ["", ""]
    log = study.run_dir("focal", 0).with_name("seed0.log").read_text()
    assert log.count("$ python") == 1 and log.count("waiting for process") == 1


def test_a_killed_run_is_known_by_its_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr(run_process, "_NOTE_PERIOD", 0.01)
    study = tiny_study(tmp_path, {"focal": []}, max_iter=20)
    job = make_job(study, study.variants[0], 0, 1)
    job.write_config()
    run = RunProcess(job)
    wait_for(lambda: run.poll() or iterations(study, "focal") > 2)
    noted = known_end(job)
    assert noted.error == "has not ended" and noted.minutes > 0 and noted.peak_memory_mb > 100
    run.ask_to_leave()
    assert wait_for(run.poll).error == "interrupted"


def test_code_that_changes_during_a_study_stops_the_runs_that_follow(tmp_path, monkeypatch):
    study = tiny_study(tmp_path, {"focal": []}, max_iter=2)
    job = make_job(study, study.variants[0], 0, 1)
    monkeypatch.setattr(run_process, "package_fingerprint", lambda: "another")
    assert "code of retina_plugin has changed" in RunProcess(job).poll().error


def test_what_changed_is_said_before_a_run_is_repeated(tmp_path, capsys, monkeypatch):
    study = tiny_study(tmp_path, {"focal": []}, max_iter=2)
    (before,) = run_study(study)
    capsys.readouterr()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    changed = tiny_study(tmp_path, {"focal": []}, max_iter=3)
    (after,) = run_study(changed)
    said = capsys.readouterr().out
    assert "focal, seed 0 runs again" in said and "train.max_iter: 2 -> 3" in said
    assert "threads of a run: 1 -> 2" in said
    assert (before.metrics["iteration"], after.metrics["iteration"]) == (2, 3)
    earlier = study.run_dir("focal", 0).with_name("seed0.1")
    assert (earlier / "model_final.pth").is_file()


def test_data_and_code_count(monkeypatch):
    cfg = get_config("quick/retinanet_tiny_synthetic.py", TINY)
    facts = fingerprint.run_facts(cfg, 2)
    assert fingerprint.changes(facts, fingerprint.run_facts(cfg, 2)) == []
    monkeypatch.setattr(torch, "__version__", "0.4")
    (phrase,) = fingerprint.changes(facts, fingerprint.run_facts(cfg, 2))
    monkeypatch.undo()
    assert phrase == f"code torch: {torch.__version__} -> 0.4"
    cfg.synthetic.clutter = [2, 4]
    data = [p for p in fingerprint.changes(facts, fingerprint.run_facts(cfg, 2)) if p.startswith("data")]
    assert len(data) == 2


def test_the_source_of_a_part_of_ones_own_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "from detectron2.modeling import FPN\nclass Mine(FPN):\n    pass\n"
    (tmp_path / "my_pyramid.py").write_text(text)
    from my_pyramid import Mine

    cfg = get_config("quick/retinanet_tiny_synthetic.py", TINY)
    cfg.model.backbone._target_ = Mine
    facts = fingerprint.run_facts(cfg, 2)
    (tmp_path / "my_pyramid.py").write_text(text + "# changed\n")
    (phrase,) = fingerprint.changes(facts, fingerprint.run_facts(cfg, 2))
    assert phrase.startswith("code my_pyramid: ")


def test_training_imports_nothing_of_what_the_code_version_leaves_out():
    package = ROOT / "retina_plugin"
    left_out = "|".join(fingerprint.NOT_FOR_TRAINING)
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] not in fingerprint.NOT_FOR_TRAINING:
            found = re.findall(rf"^\s*from (\.+|retina_plugin\.)({left_out})\b", path.read_text(), re.M)
            assert not found, path


def test_matched_scales_make_the_first_gradients_equally_long(tmp_path):
    study = tiny_study(tmp_path, VARIANTS | {"broken": ["model.backbone.top_block.in_channels=7"]}, max_iter=2)
    study = replace(study, match=("scale",))
    focal, ce, broken = run_study(study)
    scales = json.loads((study.output_dir / "scales.json").read_text())
    assert set(scales) == {"focal", "ce"} and scales["focal"]["factor"] == 1
    assert "could not be matched" in broken.error and not focal.error and not ce.error
    assert scales["ce"]["loss_cls"] > 3 * scales["focal"]["loss_cls"]
    cfg = load_config(f"{ce.run_dir}/config.yaml")
    assert cfg.model.cls_loss_weight == scales["ce"]["factor"]
    matched = loss_scale(cfg)
    assert matched["grad_norm"] == pytest.approx(scales["focal"]["grad_norm"], rel=1e-4)
    assert matched["loss_cls"] == pytest.approx(scales["ce"]["loss_cls"] * scales["ce"]["factor"])


def test_scales_are_what_training_has_at_its_first_step(uninterrupted):
    study, _ = uninterrupted
    scales = json.loads((study.output_dir / "scales.json").read_text())
    for variant in VARIANTS:
        lines = (study.run_dir(variant, 0) / "metrics.json").read_text().splitlines()
        assert json.loads(lines[0])["loss_cls"] == pytest.approx(scales[variant]["loss_cls"])
        assert scales[variant]["factor"] == 1


@pytest.mark.parametrize("settings", [{"jobs": 0}, {"cpus_per_run": 0}, {"gpus_per_run": -1}])
def test_bad_numbers_of_executors_are_refused(settings):
    with pytest.raises(ConfigError, match="must be 1 or more"):
        build_executor(**settings)


def test_an_unknown_executor_is_named():
    with pytest.raises(ConfigError, match="must be local or ray, got 'Local'"):
        build_executor("Local")


@pytest.mark.parametrize("setting", [{"address": "auto"}, {"cpus_per_run": 2}, {"gpus_per_run": 1}])
def test_settings_of_ray_need_ray(setting):
    with pytest.raises(ConfigError, match="add --executor ray"):
        build_executor(**setting)
