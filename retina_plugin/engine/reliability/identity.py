"""What makes a run this run and no other: its config and its data."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from ...config.walk import as_text, leaves

__all__ = ["RunIdentity", "config_values"]

# what does not change the numbers of a training
_FREE = (
    "train.output_dir",
    "train.device",
    "train.ddp",
    "train.checkpointer",
    "train.log_period",
    "train.vis_",
    "train.max_minutes",
    "train.nonfinite",
    "train.accept_changes",
    "train.init_checkpoint",
    "train.wandb",
    "train.mlflow",
    "dataloader.train.num_workers",
    "dataloader.test.num_workers",
    "dataloader.evaluator.output_dir",
)
_SECTIONS = ("model", "optimizer", "lr_multiplier", "dataloader", "train")


class RunIdentity:
    """Goes into checkpoints, and says when a run is resumed, what is no longer as it was."""

    def __init__(self, cfg: DictConfig, data: str) -> None:
        """`data` is the fingerprint of the training data."""
        values = config_values(cfg)
        self._values = {k: v for k, v in values.items() if not k.startswith(_FREE)}
        self._data, self._accepts = data, cfg.train.accept_changes

    def state_dict(self) -> dict[str, Any]:
        """Every config value that changes numbers, as text by its key, and the fingerprint of the data."""
        return {"config": self._values, "data": self._data}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compare with what the run began with.

        Raises:
            ConfigError: naming what has changed, unless train.accept_changes.
        """
        changes = self.changes(state)
        if changes and not self._accepts:
            raise ConfigError(
                f"this run began otherwise: {'; '.join(changes)}. Resume it as it began, or set "
                "train.accept_changes=True to go on as a run that nobody can repeat"
            )

    def changes(self, state: dict[str, Any]) -> list[str]:
        """What differs, a phrase each."""
        before = state["config"]
        keys = [k for k in {**before, **self._values} if before.get(k) != self._values.get(k)]
        phrases = [
            f"{k} was {before.get(k, 'not there')}, now {self._values.get(k, 'not there')}"
            for k in keys
        ]
        if state["data"] != self._data:
            phrases.append("the training data have other images, boxes or labels")
        return phrases


def config_values(cfg: DictConfig) -> dict[str, str]:
    """Every resolved value of a training config as text, by its dotted key."""
    sections = {name: OmegaConf.to_container(cfg[name], resolve=True) for name in _SECTIONS}
    return {key: as_text(value) for key, value in leaves(sections, into_lists=True)}
