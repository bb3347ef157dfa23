"""Where runs are executed: on this machine, one or several at once, or on the machines of a Ray cluster."""

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from ...config import ConfigError
from ...engine.setup import check_omp_threads, count_cores
from .job import Job, RunEnd
from .run_process import RunProcess

logger = logging.getLogger(__name__)
_LOOK_PERIOD = 0.1  # seconds between looks at processes
_RETRIES = 3  # of a run whose worker or machine died
_PATIENCE = 120.0  # seconds that runs have to save a checkpoint when the study is stopped
_GPUS_IDLE = (
    "--gpus-per-run reserves GPUs, but the runs use the CPU: train.device is cpu by default if a study begins on a "
    "machine without a GPU. Add train.device=auto to use the GPUs of the machines that train"
)


class Executor(Protocol):
    """Executes jobs. `threads` is the number of CPU threads per job."""

    threads: int

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; they start in this order."""

    def poll(self, seconds: float) -> list[tuple[Job, RunEnd]]:
        """Wait up to `seconds`, and return the jobs that ended since the last call."""

    def stop(self) -> None:
        """Drop queued jobs, ask running ones to save a checkpoint and leave, and wait until they are gone."""


def build_executor(
    name: str = "local", jobs: int = 1, address: str | None = None, cpus_per_run: int = 1, gpus_per_run: float = 0
) -> Executor:
    """The executor "local" with `jobs` runs at once, or "ray" with `cpus_per_run` and `gpus_per_run`.

    Raises:
        ConfigError: for another name, if a number is out of range, if a setting of Ray is given for "local", if Ray is
            not installed, or there is no cluster at `address`.
    """
    if name not in ("local", "ray"):
        raise ConfigError(f"--executor must be local or ray, got {name!r}")
    if jobs < 1 or cpus_per_run < 1 or gpus_per_run < 0:
        raise ConfigError("--jobs and --cpus-per-run must be 1 or more, --gpus-per-run 0 or more")
    if name == "local" and (address is not None or cpus_per_run > 1 or gpus_per_run > 0):
        raise ConfigError("--address, --cpus-per-run and --gpus-per-run are for a Ray cluster: add --executor ray")
    return LocalExecutor(jobs) if name == "local" else RayExecutor(address, cpus_per_run, gpus_per_run)


class LocalExecutor:
    """Processes on this machine, `jobs` at once, which share its cores."""

    def __init__(self, jobs: int = 1) -> None:
        self.threads = _threads_per_run(count_cores() // jobs)
        self._jobs = jobs
        self._queued: list[Job] = []
        self._active: list[RunProcess] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        self._queued += jobs

    def poll(self, seconds: float) -> list[tuple[Job, RunEnd]]:
        end = time.monotonic() + seconds
        while True:
            while self._queued and len(self._active) < self._jobs:
                self._active.append(RunProcess(self._queued.pop(0)))
            polled = [(run, run.poll()) for run in self._active]
            self._active = [run for run, known in polled if known is None]
            ended = [(run.job, known) for run, known in polled if known is not None]
            if ended or time.monotonic() > end:
                return ended
            time.sleep(_LOOK_PERIOD)

    def stop(self) -> None:
        self._queued.clear()
        _stop_runs(self._active)
        self._active = []


class RayExecutor:
    """One Ray task per run. If a worker dies, its run is started again and continues from its last checkpoint.

    All machines need the same retina_plugin, and the study folder and the data under the same paths.
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
        self._ray, self._num_gpus = ray, gpus_per_run
        resources = {"num_cpus": cpus_per_run, "num_gpus": gpus_per_run}
        self._task = ray.remote(**resources, max_retries=_RETRIES)(_run_to_end)
        self.threads = _threads_per_run(cpus_per_run)
        self._pending: dict[object, Job] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        if self._num_gpus and any(job.config.train.device == "cpu" for job in jobs):
            logger.warning("%s", _GPUS_IDLE)
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


def _run_to_end(job: Job) -> RunEnd:
    run = RunProcess(job)
    try:
        while (end := run.poll()) is None:
            time.sleep(_LOOK_PERIOD)
    except BaseException:  # Ray cancels with a KeyboardInterrupt
        _stop_runs([run])
        raise
    return end


def _stop_runs(runs: Sequence[RunProcess]) -> None:
    """Ask runs to save a checkpoint and leave, and wait for them; kill runs that take longer than `_PATIENCE`."""
    for run in runs:
        run.ask_to_leave()
    end = time.monotonic() + _PATIENCE
    while running := [run for run in runs if run.poll() is None]:
        if time.monotonic() > end:
            for run in running:
                run.kill()
        time.sleep(_LOOK_PERIOD)


def _threads_per_run(share: int) -> int:
    """OMP_NUM_THREADS if set, otherwise `share`, at least 1."""
    return check_omp_threads() or max(1, share)
