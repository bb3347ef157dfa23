"""A moving average of the weights."""

from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage:
    """Exponential moving average of a model's weights, as torch's AveragedModel; buffers are copied from the model."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        """The weights of each step enter with the factor 1 - `decay`, where 0 < `decay` < 1."""
        self._source = model
        self._average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self._average.requires_grad_(False)

    @property
    def model(self) -> nn.Module:
        """The model with averaged weights, for evaluation and checkpoints."""
        return self._average.module

    def update(self) -> None:
        """Update the average after a training step; the first call copies the model."""
        self._average.update_parameters(self._source)

    def state_dict(self) -> dict[str, Any]:
        """State with the averaged "model" and the number of "steps"."""
        return {"model": self.model.state_dict(), "steps": int(self._average.n_averaged)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from a checkpoint."""
        self.model.load_state_dict(state["model"])
        self._average.n_averaged.fill_(state["steps"])
