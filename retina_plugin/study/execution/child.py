"""What happens inside the process of one run."""

from __future__ import annotations

import fcntl
import gc
import multiprocessing
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ...engine.cli import train_net
from ...files import move_aside, write_json
from ...run_folder import checkpoints
from .clock import clock, peak_memory_mb
from .fingerprint import CODE_VERSION
from .job import FACTS, Job, Outcome, known_outcome, what_changed, write_outcome

__all__ = ["begin_process", "train_job"]


def begin_process(log: Path, cwd: Path, threads: int) -> None:
    """Make the process one of its own: no Ctrl-C of the terminal, its output in `log`, its number of threads."""
    os.setsid()
    gc.freeze()  # what the server has imported stays: looking through it would copy it
    # back to the platform's own: what is forked from a server would start a server for its loading processes
    multiprocessing.set_start_method(None, force=True)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.chdir(cwd)
    log.parent.mkdir(parents=True, exist_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    torch.set_num_threads(threads)


def _leave_with_parent() -> None:
    """SIGTERM to itself when the study is gone, however that ended: a checkpoint, and no orphan."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def train_job(job: Job) -> None:
    """Train into the run folder, going on if it holds a part of this very run; ends the process."""
    begin_process(job.beside(".log"), job.cwd, job.threads)
    if any(job.facts["code"][name] != value for name, value in CODE_VERSION.items()):
        sys.exit("error: the code is not the one that the study began with: start the study again")
    with _only_one(job.beside(".lock")):
        known = known_outcome(job)
        if known is not None and not known.error:
            sys.exit(0)  # another process has finished it meanwhile
        _train(job, known.minutes if known else 0.0)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """One process at a time trains into a folder.

    The kernel lets go of the lock when the last process that holds it is gone, those that load images included.
    """
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            print(f"waiting for process {lock.read()}, which trains here", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        print(os.getpid(), end="", file=lock, flush=True)
        yield


def _train(job: Job, minutes: float) -> None:
    arguments = [*(["--resume"] if _prepare(job) else []), *job.arguments]
    print(f"$ {shlex.join(['python', '-m', 'retina_plugin.engine', *arguments])}", flush=True)
    with clock(job, minutes) as total:
        status = _status_of(arguments)
    if status in (0, None) and not (job.run_dir / "model_final.pth").is_file():
        status = "stopped before its last iteration, as train.max_minutes says: start the study again to go on"
    error = "" if status in (0, None) else f"ended with status {status}"
    write_outcome(job, Outcome(job.digest, total(), error, peak_memory_mb()))
    sys.exit(status)


def _status_of(arguments: list[str]) -> int | str | None:
    try:
        train_net(arguments)
    except SystemExit as e:
        return e.code
    except BaseException:
        traceback.print_exc()
        return 1


def _prepare(job: Job) -> bool:
    """Whether to go on with what the run folder holds; otherwise that is moved aside."""
    folder = job.run_dir
    same = (folder / FACTS).is_file() and not what_changed(job)
    if same and checkpoints(folder):
        return True
    if folder.exists():
        print(f"what was in {folder} is now in {move_aside(folder)}", flush=True)
    write_json(folder / FACTS, job.facts)
    return False
