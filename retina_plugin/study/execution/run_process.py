"""A run as a process of its own: `python -m retina_plugin.engine` with the run's config."""

import logging
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from ...engine.hooks.memory_usage import MEMORY_METRIC
from ...engine.reliability.folder_lock import INHERITED, FolderInUseError, FolderLock
from ...files import move_aside, open_to_append, write_json
from ...printable import first_line
from ...run_folder import FINAL_CHECKPOINT, checkpoints, is_finished, read_metrics
from .fingerprint import package_fingerprint
from .job import FACTS, NOT_ENDED, Job, RunEnd, holds_part_of, known_end, write_end

logger = logging.getLogger(__name__)
_NOTE_PERIOD = 10.0  # seconds between notes of a run's minutes, which then survive SIGKILL


class RunProcess:
    """Trains a run, from its last checkpoint if the run folder holds a part of this very run.

    A lock beside the run folder admits one process at a time; others wait. This process and the training process both
    hold it, so nobody else starts before the end is recorded. If this process ends for any reason, the run saves a
    checkpoint and stops.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._lock = FolderLock(job.run_dir)
        self._process: subprocess.Popen | None = None
        self._end: RunEnd | None = None
        self._minutes, self._waits, self._noted = 0.0, False, 0.0
        self._start_time = time.monotonic()

    def poll(self) -> RunEnd | None:
        """How the run ended; None while it waits or trains."""
        if self._end is None:
            try:
                self._end = self._try_to_start() if self._process is None else self._look()
            except OSError as e:  # such as a full disk, which must not end the other runs
                self._lock.close()
                self._end = RunEnd(self.job.fingerprint, error=first_line(e))
        return self._end

    def ask_to_leave(self) -> None:
        """Ask the run to save a checkpoint and end; `poll` tells when it has ended."""
        if self._process is not None:
            self._process.terminate()
        elif self._end is None:
            self._lock.close()
            self._end = RunEnd(self.job.fingerprint, error="interrupted")

    def kill(self) -> None:
        """Kill the process; if the study is started again, it continues from the run's last checkpoint."""
        self._process.kill()

    def _look(self) -> RunEnd | None:
        status = self._process.poll()
        if status is not None:
            self._process.stdin.close()
            end = self._note(self._error(status))
            self._lock.close()
            return end
        if time.monotonic() - self._noted > _NOTE_PERIOD:
            self._note(NOT_ENDED)
        return None

    def _try_to_start(self) -> RunEnd | None:
        try:
            self._lock.acquire()
        except FolderInUseError as e:
            if not self._waits:
                self._log(f"waiting for {e.holder}, which trains in this folder")
            self._waits = True
            return None
        known = known_end(self.job)
        if known is not None and not known.error:
            self._lock.close()
            return known  # another process has finished the run
        if package_fingerprint() != self.job.facts["code"]["retina_plugin"]:
            self._lock.close()
            changed = "the code of retina_plugin has changed since the study began: start the study again"
            return RunEnd(self.job.fingerprint, error=changed)
        self._minutes = known.minutes if known else 0.0
        self._start()
        return None

    def _start(self) -> None:
        resume = ["--resume"] if _can_resume(self.job) else []
        arguments = ["-m", "retina_plugin.engine", *resume, "--config-file", str(self.job.config_file)]
        self._log(f"$ {shlex.join(['python', *arguments])}")
        self._start_time = self._noted = time.monotonic()
        with os.fdopen(open_to_append(self.job.sibling_path(".log")), "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *arguments, "--leave-with-parent"],
                stdin=subprocess.PIPE,  # closes when this process is gone, and the run leaves
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.job.cwd,
                env=_environment(self.job.threads) | {INHERITED: str(self._lock.fileno())},
                start_new_session=True,  # Ctrl-C is for the study, which asks its runs to leave
                pass_fds=[self._lock.fileno()],
            )
        self._lock.name_holder(self._process.pid)

    def _note(self, error: str) -> RunEnd:
        self._noted = time.monotonic()
        minutes = self._minutes + (self._noted - self._start_time) / 60
        end = RunEnd(self.job.fingerprint, minutes, error, _peak_memory_mb(self.job.run_dir))
        try:
            if self.job.run_dir.is_dir():
                write_end(self.job, end)
        except OSError as e:
            logger.warning("%s", e)
            return end if error else replace(end, error=f"trained, but its end cannot be noted: {e}")
        return end

    def _error(self, status: int) -> str:
        """Why the run is not complete; empty if it is."""
        log = self.job.sibling_path(".log")
        by_signal = status < 0 or status in (128 + signal.SIGTERM, 128 + signal.SIGINT)
        if by_signal and is_finished(self.job.run_dir, self.job.max_iter):
            return ""
        if status == 0:
            if (self.job.run_dir / FINAL_CHECKPOINT).is_file():
                return ""
            return "stopped before its last iteration because of train.max_minutes: start the study again to continue"
        if status in (128 + signal.SIGTERM, -signal.SIGTERM):
            return "interrupted"
        if status < 0:
            return f"killed by {signal.Signals(-status).name} (see {log})"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else f'ended with status {status}'} (see {log})"

    def _log(self, line: str) -> None:
        with os.fdopen(open_to_append(self.job.sibling_path(".log")), "a", encoding="utf-8") as log:
            print(line, file=log)


def _can_resume(job: Job) -> bool:
    """Whether the run can resume from its folder; a folder that does not allow it is moved aside. Writes the facts."""
    folder = job.run_dir
    can = holds_part_of(job) and bool(checkpoints(folder))
    if folder.exists() and not can:
        move_aside(folder)
    write_json(folder / FACTS, job.facts)
    return can


def _environment(threads: int) -> dict[str, str]:
    return os.environ | {
        "OMP_NUM_THREADS": str(threads),
        # threads that wait by spinning take the cores from other runs
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "PYTHONUTF8": "1",  # whatever the locale
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore"),
        # modules that this process can import, the run can import too
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


def _peak_memory_mb(run_dir: Path) -> float:
    try:
        known = [m[MEMORY_METRIC] for m in read_metrics(run_dir) if MEMORY_METRIC in m]
    except OSError:
        return math.nan
    return max(known, default=math.nan)
