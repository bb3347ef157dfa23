"""Signals and other reasons to end a training early."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger(__name__)


class StopRun(BaseException):
    """Ends Detectron2's training loop. It is not an `Exception`, which that loop would log as a failure.

    `status` is the exit status of the process: 0, or 128 + the number of the signal that stopped it.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class StopSignals:
    """Handles signals: the first stops the training after the current step, the second ends the process at once."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, number: int, _: Any) -> None:
        if self.number:
            raise SystemExit(128 + number)
        self.number = number
        logger.warning("%s: stopping after this step", signal.Signals(number).name)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handle SIGTERM and SIGINT with `StopSignals` inside this context.

    In a thread other than the main one, which cannot set signal handlers, signals act as before.
    """
    signals = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.signal(number, signals) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def terminate_when_stdin_closes() -> None:
    """Send SIGTERM to this process when standard input closes, which also happens when its parent dies.

    A daemon thread reads standard input until then, so nothing else may read it.
    """

    def wait() -> None:
        with contextlib.suppress(OSError):  # closed from the beginning
            # not sys.stdin, whose lock a daemon thread must not hold when the interpreter ends
            while os.read(0, 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
