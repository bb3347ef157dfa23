"""What makes a run this run and no other: its config and its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ..config import ConfigError

__all__ = ["RunIdentity"]

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
        self._values = dict(_leaves(cfg))
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


def _leaves(cfg: DictConfig) -> Iterator[tuple[str, str]]:
    for section in _SECTIONS:
        yield from _flatten(OmegaConf.to_container(cfg[section], resolve=True), section)


def _flatten(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if path.startswith(_FREE):
        return
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    if not items:
        yield path, _text(node)
    for key, value in items:
        yield from _flatten(value, f"{path}.{key}")


def _text(value: Any) -> str:
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)
