"""One try: a hostile input, what a user does with it, and what must then happen. Each runs in a process with limits."""

import faulthandler
import os
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retina_plugin.engine.logs import EXPECTED_ERRORS

SECONDS = 10
MEMORY = 2**30  # bytes more than the process had before
_LONGEST_MESSAGE = 2000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Try:
    """What is tried and promised.

    Attributes:
        group: a row of the table of promises, such as "pickles that are no weights".
        name: of this try, unique within its group.
        prepare: writes the input into an empty folder.
        act: what a user does with that folder, by calling the package; an AssertionError in it says what went wrong.
        refused: what the error message must match; None if `act` must end without an error.
        may_work: whether it may also end without an error.
    """

    group: str
    name: str
    prepare: Callable[[Path], Any]
    act: Callable[[Path], Any]
    refused: str | None = None
    may_work: bool = False


def run_try(tried: Try, folder: Path) -> str:
    """What went wrong, in one line; an empty string if the promise held."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(tried, folder, writing)
    os.close(writing)
    status, seconds = _wait(child)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    if status is None:
        return f"was still busy after {seconds:.0f} s"
    if os.WIFSIGNALED(status):
        return f"crashed with {signal.Signals(os.WTERMSIG(status)).name}"
    return said


def _wait(child: int) -> tuple[int | None, float]:
    start = time.monotonic()
    while (seconds := time.monotonic() - start) < SECONDS:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, seconds
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None, seconds


def _child(tried: Try, folder: Path, writing: int) -> None:
    """Never returns: what is registered to happen at the end of the parent must not happen here."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        faulthandler.disable()  # pytest's, which writes to the terminal
        tried.prepare(folder)
        os.chdir(folder)
        limit = _virtual_memory() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        said = _outcome(tried, folder)
    except BaseException:
        said = traceback.format_exc()
    os.write(writing, said.encode(errors="replace")[:60000])
    os._exit(0)


def _outcome(tried: Try, folder: Path) -> str:
    try:
        tried.act(folder)
    except MemoryError:
        return f"needed over {MEMORY >> 20} MB"
    except AssertionError as e:
        return f"gave a wrong result: {e}"
    except SystemExit as e:
        error = str(e.code)
    except EXPECTED_ERRORS as e:
        error = str(e)
    except BaseException as e:
        where = traceback.extract_tb(sys.exc_info()[2])[-1]
        return f"ended in a traceback: {type(e).__name__}: {str(e)[:300]} ({where.filename}:{where.lineno})"
    else:
        return "" if tried.refused is None or tried.may_work else "was accepted"
    if tried.refused is None:
        return f"was refused: {error[:300]}"
    if len(error) > _LONGEST_MESSAGE or _CONTROL.search(error):
        return f"gave a message of {len(error)} characters, or with control characters: {error[:300]!r}"
    return "" if re.search(tried.refused, error, re.S) else f"gave another message: {error[:300]}"


def _virtual_memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
