"""Signals and other reasons to end a training early."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger(__name__)
_ONE_REQUEST = 2.0  # seconds within which a SIGTERM after another signal is the same request
_is_stopping = False  # whether a signal has asked the training of this process to stop


class StopRun(BaseException):
    """Ends Detectron2's training loop. It is not an `Exception`, which that loop would log as a failure.

    `status` is the exit status of the process: 0, or 128 + the number of the signal that stopped it.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class AlreadyEnded(StopRun):
    """Ends a resumed training before its first step, because it had ended early."""


class FirstSignal:
    """The first signal that asks a process to stop, as `number` (0: none has come), and the rule for a second request.

    GNU timeout sends SIGTERM to a process and then to its group, and programs that end pass it on, as the launcher of
    several processes does after Ctrl-C, which they have got too. So a SIGTERM soon after a signal is the same request.
    """

    def __init__(self) -> None:
        self.number = 0
        self._time = 0.0

    def is_second(self, number: int) -> bool:
        """Whether this signal is a second request to stop. The first signal is recorded in `number`."""
        if not self.number:
            self.number, self._time = number, time.monotonic()
            return False
        is_same = number == signal.SIGTERM and time.monotonic() - self._time < _ONE_REQUEST
        return not is_same


class StopSignals(FirstSignal):
    """Handles signals: the first stops the training after the current step, the second ends the process at once."""

    def __call__(self, number: int, _: Any) -> None:
        global _is_stopping
        is_new = not self.number
        if self.is_second(number):
            raise SystemExit(128 + number)
        if is_new:
            _is_stopping = True
            logger.warning("%s: stopping after this step", signal.Signals(number).name)


@contextmanager
def handled_by(handler: Callable[[int, Any], Any], *numbers: int) -> Iterator[None]:
    """Handle signals with `handler` inside this context.

    Only the main thread can set signal handlers; in other threads signals act as before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handle SIGTERM and SIGINT with `StopSignals` inside this context, as `handled_by` does."""
    global _is_stopping
    signals, _is_stopping = StopSignals(), False
    with handled_by(signals, signal.SIGTERM, signal.SIGINT):
        yield signals


def terminate_when_stdin_closes() -> None:
    """Send SIGTERM to this process when standard input closes, which also happens when its parent dies.

    Sends nothing if a signal has already stopped the training. A daemon thread reads standard input until it closes,
    so nothing else may read it.
    """

    def wait() -> None:
        with contextlib.suppress(OSError):  # closed from the beginning
            # not sys.stdin, whose lock a daemon thread must not hold when the interpreter ends
            while os.read(0, 4096):
                pass
        if not _is_stopping:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
