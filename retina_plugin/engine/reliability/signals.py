"""Leaving a training before its end, with everything saved."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from detectron2.engine import HookBase
from detectron2.utils import comm

from ..checkpoint import RunCheckpointer
from ..hooks.detectron2_hooks import BestCheckpointer
from ..layout import any_process

__all__ = ["Leave", "StopRun", "StopSignals", "stop_signals", "terminate_when_stdin_closes"]

logger = logging.getLogger(__name__)


class StopRun(BaseException):
    """Ends Detectron2's training loop, which logs every `Exception` as a failure.

    `status` is what the process ends with: 0, or 128 + the signal that asked for it.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class StopSignals:
    """Signals that have come: the first asks to leave after the step, the second leaves at once."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, number: int, _: Any) -> None:
        if self.number:
            raise SystemExit(128 + number)
        self.number = number
        logger.warning("%s: leaving after this step", signal.Signals(number).name)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """SIGTERM and SIGINT are noted instead of obeyed while inside; only the main thread of a process can do that."""
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
    threading.Thread(target=_terminate_at_end_of_stdin, daemon=True).start()


def _terminate_at_end_of_stdin() -> None:
    with contextlib.suppress(OSError):  # closed from the beginning
        # not sys.stdin, whose lock a daemon thread must not hold when the interpreter ends
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


class Leave(HookBase):
    """Writes a checkpoint and ends the training: on a signal, after `max_minutes`, or when nothing improves.

    It runs last. All processes leave together.
    """

    def __init__(
        self,
        checkpointer: RunCheckpointer,
        best: BestCheckpointer,
        signals: StopSignals,
        max_minutes: float | None,
        patience: int,
    ) -> None:
        """`patience`: evaluations without a better best checkpoint before the training ends; 0 for no end."""
        self._checkpointer, self._best, self._signals = checkpointer, best, signals
        self._max_minutes, self._patience = max_minutes, patience
        self._start = time.monotonic()  # which no change of the clock moves

    def before_train(self) -> None:
        """A run that had ended early does not begin again."""
        if any_process(self._best.stale >= self._patience > 0):
            raise StopRun(f"Ended early at iteration {self.trainer.iter}: {self._no_gain()}")

    def after_step(self) -> None:
        """Leave if there is a reason to.

        Raises:
            StopRun: to end Detectron2's loop.
        """
        if self.trainer.iter + 1 == self.trainer.max_iter:
            return
        if any_process(self._best.stale >= self._patience > 0):
            self._save("model_final")
            raise StopRun(f"Ended early after iteration {self.trainer.iter}: {self._no_gain()}")
        number, late = self._signals.number, self._is_late()
        if any_process(bool(number) or late):
            self._save(f"model_{self.trainer.iter:07d}")
            why = (
                f"train.max_minutes={self._max_minutes} is over"
                if late
                else "a signal asked for it"
            )
            raise StopRun(
                f"Stopped after iteration {self.trainer.iter}, {why}; go on with --resume",
                128 + number if number else 0,
            )

    def _save(self, name: str) -> None:
        self._checkpointer.save(name, iteration=self.trainer.iter)
        comm.synchronize()  # a process that has left makes launchers end the one that still writes

    def _is_late(self) -> bool:
        limit = self._max_minutes
        return limit is not None and time.monotonic() - self._start >= 60 * limit

    def _no_gain(self) -> str:
        return f"{self._patience} evaluations without a better {self._best.metric}"
