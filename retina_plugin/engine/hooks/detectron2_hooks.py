"""Detectron2's hooks where their behaviour has to change."""

import contextlib
import math
from typing import Any

from detectron2.engine import hooks
from detectron2.utils import comm
from detectron2.utils.events import CommonMetricPrinter

from ...run_folder import FINAL_CHECKPOINT, iteration_checkpoints


class BestCheckpointer(hooks.BestCheckpointer):
    """Keeps its best metric in checkpoints, so that a resumed run knows it, and counts evaluations without a new best.

    An evaluation without the metric does not count. Only the main process compares and saves, because only it has the
    metrics.
    """

    stale = 0  # evaluations since the best one

    @property
    def metric(self) -> str:
        """Name of the metric by which checkpoints are compared."""
        return self._val_metric

    def _best_checking(self) -> None:
        if not comm.is_main_process():
            return
        before = self.best_iter
        super()._best_checking()
        value, iteration = self.trainer.storage.latest().get(self._val_metric, (math.nan, -1))
        if self.best_iter != before:
            self.stale = 0
        elif math.isfinite(value) and iteration == self.trainer.iter:
            self.stale += 1

    def state_dict(self) -> dict[str, Any]:
        """The "best" metric, its "iteration", and "stale", the number of evaluations since."""
        return {"best": self.best_metric, "iteration": self.best_iter, "stale": self.stale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_metric, self.best_iter = state_dict["best"], state_dict["iteration"]
        self.stale = state_dict["stale"]


class PeriodicCheckpointer(hooks.PeriodicCheckpointer):
    """Also removes old checkpoints that were written before the run was resumed.

    The last state is saved once, as the final checkpoint.
    """

    def before_train(self) -> None:
        super().before_train()
        found = iteration_checkpoints(self.checkpointer.save_dir)
        mine = [p for p in found if int(p.stem.removeprefix("model_")) < self.trainer.start_iter]
        self.recent_checkpoints = [str(p) for p in mine]

    def after_step(self) -> None:
        """Save a checkpoint every period, and the final checkpoint after the last iteration."""
        if self.trainer.iter + 1 < self.trainer.max_iter:
            super().after_step()
        else:
            self.checkpointer.save(FINAL_CHECKPOINT.removesuffix(".pth"), iteration=self.trainer.iter)


class PeriodicWriter(hooks.PeriodicWriter):
    """Closes the terminal's writer without a last line: upstream divides by zero if a run ends right after a line.

    All writers are closed, even if one of them cannot write.
    """

    def after_train(self) -> None:
        with contextlib.ExitStack() as closing:
            for writer in self._writers:
                closing.callback(writer.close)
            for writer in self._writers:
                if not isinstance(writer, CommonMetricPrinter):
                    writer.write()
