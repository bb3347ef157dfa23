"""End a training early, with a checkpoint."""

import time

from detectron2.engine import HookBase
from detectron2.utils import comm

from ...run_folder import FINAL_CHECKPOINT, iteration_checkpoint
from ..checkpoint import RunCheckpointer
from ..layout import any_process
from ..reliability.signals import AlreadyEnded, StopRun, StopSignals
from .detectron2_hooks import BestCheckpointer


class EarlyExit(HookBase):
    """Saves a checkpoint and ends the training: on a signal, after `max_minutes`, or when the metric stops improving.

    It must be the last hook. All processes end after the same iteration.
    """

    def __init__(
        self,
        checkpointer: RunCheckpointer,
        best: BestCheckpointer,
        signals: StopSignals,
        max_minutes: float | None,
        patience: int,
    ) -> None:
        """`patience`: number of evaluations without a new best checkpoint after which to end; 0 for never."""
        self._checkpointer, self._best, self._signals = checkpointer, best, signals
        self._max_minutes, self._patience = max_minutes, patience
        self._start = time.monotonic()  # unaffected by changes of the system clock

    def before_train(self) -> None:
        """Raise AlreadyEnded if a resumed run had already ended early."""
        if self._stopped_improving():
            raise AlreadyEnded(f"Ended early at iteration {self.trainer.iter}: {self._no_gain()}")

    def after_step(self) -> None:
        """Raise StopRun, which leaves Detectron2's training loop, if there is a reason to end."""
        if self.trainer.iter + 1 == self.trainer.max_iter:
            return
        if self._stopped_improving():
            self._save(FINAL_CHECKPOINT.removesuffix(".pth"))
            raise StopRun(f"Ended early after iteration {self.trainer.iter}: {self._no_gain()}")
        number, late = self._signals.number, self._is_late()
        if any_process(bool(number) or late):
            self._save(iteration_checkpoint(self.trainer.iter))
            reason = f"train.max_minutes={self._max_minutes} is over" if late else "a signal asked for it"
            message = f"Stopped after iteration {self.trainer.iter}, {reason}; continue with --resume"
            raise StopRun(message, 128 + number if number else 0)

    def _save(self, name: str) -> None:
        self._checkpointer.save(name, iteration=self.trainer.iter)
        comm.synchronize()  # launchers kill all processes when one ends, even one that still writes

    def _is_late(self) -> bool:
        return self._max_minutes is not None and time.monotonic() - self._start >= 60 * self._max_minutes

    def _stopped_improving(self) -> bool:
        return any_process(self._best.stale >= self._patience > 0)

    def _no_gain(self) -> str:
        return f"{self._patience} evaluations without a better {self._best.metric}"
