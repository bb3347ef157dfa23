"""A progress bar for a training."""

import sys

from detectron2.engine import HookBase
from tqdm import tqdm


class ProgressBar(HookBase):
    """A bar with the losses of the last update, on standard error; it is gone when the training ends."""

    def __init__(self, title: str) -> None:
        self.title = title

    def before_train(self) -> None:
        first, last = self.trainer.start_iter, self.trainer.max_iter
        self._bar = tqdm(total=last, initial=first, desc=self.title, unit="update", leave=False, file=sys.stderr)

    def after_step(self) -> None:
        latest = self.trainer.storage.latest()
        losses = {name: f"{value:.3g}" for name, (value, _) in latest.items() if name.startswith("loss_")}
        self._bar.set_postfix(losses, refresh=False)
        self._bar.update()

    def after_train(self) -> None:
        self._bar.close()
