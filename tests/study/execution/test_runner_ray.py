"""A study on a Ray cluster, one of whose workers is killed."""

import os
import signal
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from conftest import ROOT
from studies import (
    CE,
    assert_same_numbers,
    is_alive,
    iterations,
    parent_pid,
    tiny_study,
    trainer_pid,
    wait_for,
)

from retina_plugin.config import ConfigError
from retina_plugin.study import build_executor, run_study
from retina_plugin.study.execution import executors
from retina_plugin.study.execution.executors import LocalExecutor, RayExecutor
from retina_plugin.study.tuning.search import tune

if find_spec("ray") is None:  # importing it takes seconds
    pytest.skip("Ray is not installed: pip install 'retina_plugin[ray]'", allow_module_level=True)


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster with two CPUs; a second node would add only the seconds that it takes to start."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setattr(executors, "_run_to_end", forked_run())
        nodes = Cluster()
        nodes.add_node(num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False)
        yield nodes.address
        ray.shutdown()
        nodes.shutdown()


def forked_run():
    """What a worker does, with a run that is forked from it; a closure, so that Ray sends it by value."""
    tests = str(ROOT / "tests")

    def run_to_end(job):
        sys.path.insert(0, tests)
        import forked
        import tiny_net  # noqa: F401

        from retina_plugin.study.execution import executors, run_process

        run_process.subprocess = forked
        return executors._run_to_end(job)

    return run_to_end


def test_a_cluster_that_is_not_there_is_named():
    """First in this file: a process that has joined a cluster stays in it."""
    with pytest.raises(ConfigError, match="--address auto"):
        build_executor("ray", address="auto")


def test_gpus_that_the_runs_would_not_use_are_told(caplog):
    executor = object.__new__(RayExecutor)  # without a cluster
    executor._num_gpus, executor._pending, executor._task = 1, {}, SimpleNamespace(remote=id)
    for device, warnings in (("auto", 0), ("cpu", 1)):
        job = SimpleNamespace(config=SimpleNamespace(train=SimpleNamespace(device=device)))
        executor.submit([job])
        assert caplog.text.count("Add train.device=auto") == warnings, device


def test_a_killed_worker_costs_a_study_nothing_but_time(cluster, tmp_path):
    study = tiny_study(tmp_path / "ray", {"ce": [CE]})
    executor = KillsAWorker(build_executor("ray", address=cluster), study)
    results = run_study(study, executor)
    assert executor.killed and not [r.error for r in results if r.error]
    log = study.run_dir("ce", 0).with_name("seed0.log").read_text()
    assert log.count("$ python") == 2 and log.count("--resume ") == 1
    alone = tiny_study(tmp_path / "alone", {"ce": [CE]})
    assert_same_numbers(results, run_study(alone))


def test_tuning_on_a_cluster_finds_what_it_finds_on_one_machine(cluster, tmp_path):
    pytest.importorskip("optuna", reason="tuning needs Optuna: pip install '.[tune]'")
    found = []
    for name, executor in (("ray", build_executor("ray", address=cluster)), ("alone", LocalExecutor(2))):
        study = tiny_study(tmp_path / name, {"ce": [CE]}, max_iter=2, tune={"rungs": [1.0]})
        (search,) = tune(study, 2, executor)
        found.append([[(run.overrides, run.iterations_done, run.ap) for run in rung] for rung in search.runs])
    assert found[0] == found[1] and [len(rung) for rung in found[0]] == [2]


class KillsAWorker:
    """An executor that kills the Ray worker of a run in the middle of it, once."""

    def __init__(self, executor, study):
        self._executor, self._study = executor, study
        self.threads, self.killed = executor.threads, None

    def submit(self, jobs):
        self._executor.submit(jobs)

    def poll(self, seconds):
        if self.killed is None and iterations(self._study, "ce") > 12:
            self._kill(trainer_pid(self._study, "ce"))
        return self._executor.poll(0.05)

    def _kill(self, trainer):
        """The run is held until its worker is gone: it would be done before that."""
        os.kill(trainer, signal.SIGSTOP)
        self.killed = parent_pid(trainer)
        os.kill(self.killed, signal.SIGKILL)
        wait_for(lambda: not is_alive(self.killed))
        os.kill(trainer, signal.SIGCONT)

    def stop(self):
        self._executor.stop()
