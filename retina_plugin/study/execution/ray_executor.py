"""Runs on the machines of a Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...config import ConfigError
from .job import Job, RunEnd
from .run_process import RunProcess
from .threads import threads_per_run

__all__ = ["RayExecutor"]

_RETRIES = 3  # of a run whose worker or machine died
_PATIENCE = 120.0  # seconds that runs have to save a checkpoint when the study is stopped


class RayExecutor:
    """One Ray task per run. A run whose worker died is started again, and continues from its last checkpoint.

    All machines need the same retina_plugin, and the study's folder and the data under the same paths.
    """

    def __init__(self, address: str | None = None, cpus_per_run: int = 1, gpus_per_run: float = 0) -> None:
        """Join the cluster at `address` ("auto": the one on this machine), or start one here if it is None.

        Raises:
            ConfigError: if Ray is not installed, or there is no cluster at `address`.
        """
        try:
            import ray
        except ImportError as e:
            raise ConfigError("--executor ray needs Ray: pip install 'retina_plugin[ray]'") from e
        try:
            ray.init(address or "local", ignore_reinit_error=True, log_to_driver=False)
        except (ConnectionError, ray.exceptions.RayError) as e:
            raise ConfigError(f"--address {address}: {str(e).splitlines()[0]}") from e
        self._ray = ray
        resources = {"num_cpus": cpus_per_run, "num_gpus": gpus_per_run}
        self._task = ray.remote(**resources, max_retries=_RETRIES)(_run)
        self.threads = threads_per_run(cpus_per_run)
        self._pending: dict[object, Job] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        self._pending |= {self._task.remote(job): job for job in jobs}

    def poll(self, seconds: float) -> list[tuple[Job, RunEnd]]:
        handles = list(self._pending)
        done, _ = self._ray.wait(handles, num_returns=len(handles), timeout=seconds)
        return [(job := self._pending.pop(handle), self._end(handle, job)) for handle in done]

    def stop(self) -> None:
        for handle in self._pending:
            self._ray.cancel(handle)
        self._ray.wait(list(self._pending), num_returns=max(1, len(self._pending)), timeout=_PATIENCE)

    def _end(self, handle: object, job: Job) -> RunEnd:
        try:
            end = self._ray.get(handle)
        except self._ray.exceptions.RayError as e:
            return RunEnd(job.fingerprint, error=f"Ray: {str(e).strip().splitlines()[-1]}")
        if not end.error and not job.run_dir.is_dir():
            error = f"{job.run_dir} is on another machine: put --output where all machines see it"
            return RunEnd(job.fingerprint, error=error)
        return end


def _run(job: Job) -> RunEnd:
    run = RunProcess(job)
    try:
        while (end := run.poll()) is None:
            time.sleep(0.2)
    except BaseException:  # Ray cancels with a KeyboardInterrupt
        run.ask_to_leave()
        while run.has_started and run.poll() is None:
            time.sleep(0.1)
        raise
    return end
