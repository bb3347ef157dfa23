"""SIGTERM that reaches more than one process of a training."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked
import pytest
import torch
from conftest import QUICK, TINY, train_args
from torch.multiprocessing import ProcessExitedException
from torch.utils.data import DataLoader

from retina_plugin.data.worker_signals import shield_worker
from retina_plugin.engine import launching, main
from retina_plugin.engine.reliability.signals import FirstSignal
from retina_plugin.modeling import PluggableRetinaNet
from retina_plugin.run_folder import find_weights, is_finished, read_metrics

ENDLESS = ["train.max_iter=1000000", "train.checkpointer.period=1000000", "dataloader.train.num_workers=2"]
COMMAND = [sys.executable, "-m", "retina_plugin.engine", "--config-file", QUICK, *TINY, *ENDLESS]


def children_of(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendants_of(pid):
    return [d for child in children_of(pid) for d in (child, *descendants_of(child))]


def started(popen, command, run):
    with run.with_name("stderr").open("w") as errors:
        process = popen(command, stdout=subprocess.DEVNULL, stderr=errors)
    while len(read_metrics(run)) < 3:
        assert process.poll() is None, run.with_name("stderr").read_text()
        time.sleep(0.1)
    return process


def assert_stopped_with_a_checkpoint(process, run, status=143):
    assert process.wait(timeout=60) == status and "Traceback" not in run.with_name("stderr").read_text()
    assert find_weights(run).name == f"model_{read_metrics(run)[-1]['iteration']:07d}.pth"


def test_gnu_timeout_leaves_a_checkpoint(tmp_path):
    """It signals its child, and then the whole group, as here; it cannot start a process that is forked."""
    popen = functools.partial(forked.Popen, start_new_session=True)
    process = started(popen, [*COMMAND, f"train.output_dir={tmp_path}/run"], tmp_path / "run")
    os.kill(process.pid, signal.SIGTERM)
    os.killpg(process.pid, signal.SIGTERM)
    assert_stopped_with_a_checkpoint(process, tmp_path / "run")


def test_scancel_leaves_a_checkpoint_of_two_processes(tmp_path, forked_ranks):
    """It signals all processes of a job: parent, ranks, and those that load images."""
    command = [*COMMAND[:3], "--num-gpus", "2", *COMMAND[3:], f"train.output_dir={tmp_path}/run"]
    process = started(forked.Popen, command, tmp_path / "run")
    pids = [process.pid, *descendants_of(process.pid)]
    assert len(pids) >= 7
    for pid in pids:
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
    assert_stopped_with_a_checkpoint(process, tmp_path / "run")


@pytest.mark.parametrize("whole_group", [False, True])
def test_sigint_leaves_a_checkpoint_of_two_processes(tmp_path, forked_ranks, whole_group):
    """A program may send it to the parent alone; Ctrl-C sends it to the group, as `timeout -s INT` does."""
    command = [*COMMAND[:3], "--num-gpus", "2", *COMMAND[3:], f"train.output_dir={tmp_path}/run"]
    process = started(functools.partial(forked.Popen, start_new_session=True), command, tmp_path / "run")
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    assert_stopped_with_a_checkpoint(process, tmp_path / "run", 130)


class WithoutHandler:
    """A process that evaluates, or is still starting."""

    ended = False

    def terminate(self):
        self.ended = True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_processes_that_a_signal_ends_before_or_without_a_training_are_no_failure(tmp_path, monkeypatch, number):
    process = WithoutHandler()

    def launch(*_, **__):
        os.kill(os.getpid(), number)
        raise ProcessExitedException("process 0 terminated", 0, 1, exit_code=-signal.SIGTERM, signal_name="SIGTERM")

    monkeypatch.setattr(launching, "_check_devices", lambda number: None)
    monkeypatch.setattr(multiprocessing, "active_children", lambda: [process])
    monkeypatch.setattr(launching, "launch", launch)
    flags = {"num_gpus": 2, "num_machines": 1, "machine_rank": 0, "dist_url": "auto"}
    with pytest.raises(SystemExit) as end:
        launching.launch_training(main, train_args(tmp_path / "run", **flags))
    assert end.value.code == 128 + number and process.ended
    monkeypatch.setattr(os, "kill", lambda *_: None)
    with pytest.raises(ChildProcessError, match="process 0 terminated"):  # by someone else
        launching.launch_training(main, train_args(tmp_path / "run", **flags))


def test_two_sigterms_at_once_are_one_request(tmp_path, monkeypatch):
    forward = PluggableRetinaNet.forward

    def signalled(self, batch):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        return forward(self, batch)

    monkeypatch.setattr(PluggableRetinaNet, "forward", signalled)
    with pytest.raises(SystemExit):
        main(train_args(tmp_path / "run"))
    assert find_weights(tmp_path / "run").name == "model_0000000.pth"


def test_only_a_sigterm_soon_after_another_is_the_same(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    first = FirstSignal()
    assert not first.is_second(signal.SIGTERM)
    now[0] = 1.0
    assert not first.is_second(signal.SIGTERM) and first.is_second(signal.SIGINT)
    now[0] = 3.0
    assert first.is_second(signal.SIGTERM)
    ctrl_c = FirstSignal()
    assert not ctrl_c.is_second(signal.SIGINT) and not ctrl_c.is_second(signal.SIGTERM)
    assert ctrl_c.is_second(signal.SIGINT)
    now[0] = 6.0
    assert ctrl_c.is_second(signal.SIGTERM)


def test_a_loading_process_obeys_the_training_alone():
    loader = iter(DataLoader(list(range(100)), num_workers=1, worker_init_fn=shield_worker, prefetch_factor=1))
    assert next(loader) == 0
    (worker,) = loader._workers
    stranger = subprocess.Popen(["sh", "-c", f"kill -TERM {worker.pid}"])
    assert stranger.wait() == 0
    assert [int(next(loader)) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert os.getpgid(worker.pid) == worker.pid
    del loader
    worker.join(10)
    assert worker.exitcode == 0
    again = iter(DataLoader(list(range(100)), num_workers=1, worker_init_fn=shield_worker))
    assert next(again) == torch.tensor([0])
    again._workers[0].terminate()
    again._workers[0].join(10)
    assert again._workers[0].exitcode == 0


def test_processes_that_load_images_for_the_validation_loss_obey_the_training_alone(tmp_path, monkeypatch):
    loaders = []
    monkeypatch.setattr("retina_plugin.engine.train.validation_loss", lambda _, loader: loaders.append(loader) or {})
    main(train_args(tmp_path / "run", "train.val_loss=true", "train.max_iter=1"))
    assert [loader.worker_init_fn for loader in loaders] == [shield_worker]


def test_a_run_is_finished_when_it_is_evaluated(trained_run, tmp_path):
    assert is_finished(trained_run, 4) and not is_finished(trained_run, 5)
    assert not is_finished(tmp_path, 4)
