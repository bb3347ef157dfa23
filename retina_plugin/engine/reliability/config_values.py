"""Values of a training config as text: which ones change its results, and when two of them mean the same."""

import re
import sys
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from detectron2.utils.registry import locate
from omegaconf import DictConfig, OmegaConf

from ...config.load import train_defaults
from ...config.moved import current_key, current_name
from ...config.walk import as_text, leaves

# prefixes of keys that do not change the results of a training
_FREE = (
    "train.output_dir",
    "train.device",
    "train.ddp",
    "train.checkpointer",
    "train.log_period",
    "train.vis_",
    "train.imbalance_period",
    "train.max_minutes",
    "train.nonfinite",
    "train.accept_changes",
    "train.init_checkpoint",
    "train.init_classes",
    "train.activation_checkpointing",
    "train.wandb",
    "train.mlflow",
    "dataloader.train.num_workers",
    "dataloader.test.num_workers",
)
_BEFORE_KEY = {"train.optimize_model": "False"}  # values for checkpoints without the key, where not the default
_IMPORTED = ("retina_plugin.", "detectron2.")
_DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_SECTIONS = ("model", "optimizer", "lr_multiplier", "dataloader", "train")


def config_values(cfg: DictConfig) -> dict[str, str]:
    """Every resolved value of a training config as text, by its dotted key."""
    sections = {name: OmegaConf.to_container(cfg[name], resolve=True) for name in _SECTIONS}
    return {current_key(key): as_text(value) for key, value in leaves(sections, into_lists=True)}


def differing_values(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Values of two `config_values` that differ and change results, by key; "absent" where one has no such key.

    `before` may be of an earlier version: names that have moved since are the same, and a train setting that it lacks
    counts as `_BEFORE_KEY` or the default.
    """
    before = _with_train_defaults({current_key(key): value for key, value in before.items() if not is_free(key)})
    now = {key: value for key, value in now.items() if not is_free(key)}
    return {
        key: (before.get(key, "absent"), now.get(key, "absent"))
        for key in {**before, **now}
        if not _same_value(before.get(key), now.get(key))
    }


def is_free(key: str) -> bool:
    """Whether a key does not change the results of a training; an evaluator's folder does not, nor one's in a list."""
    return key.startswith(_FREE) or (key.startswith("dataloader.evaluator.") and key.endswith(".output_dir"))


def _with_train_defaults(before: dict[str, str]) -> dict[str, str]:
    """The values of a checkpoint, completed by those with which it ran for train settings that it lacks."""
    defaults = leaves(OmegaConf.to_container(train_defaults()), into_lists=True, path="train")
    absent = {
        key: as_text(value)
        for key, value in defaults
        if not is_free(key) and not any(f"{k}.".startswith(f"{key}.") for k in before)
    }
    return absent | _BEFORE_KEY | before


def _same_value(before: str | None, now: str | None) -> bool:
    """Whether two values are equal or name the same object, which configs may import from any module exporting it."""
    if before is None or now is None or before == now:
        return before == now
    found = _named_object(before)
    return found is not None and found == _named_object(now)


def _named_object(name: str) -> Any:
    """The object of a dotted name; None if its top-level package is not loaded.

    Only modules of `_IMPORTED` are imported: a name from a checkpoint must not run the code of other modules.
    """
    name = current_name(name)
    if not _DOTTED_NAME.fullmatch(name) or name.split(".")[0] not in sys.modules or "__main__" in name:
        return None
    if name.startswith(_IMPORTED):
        try:
            return locate(name)
        except ImportError:
            return None
    found: Any = None
    for path in accumulate(name.split("."), "{}.{}".format):  # a, a.b, a.b.c
        found = sys.modules.get(path) or getattr(found, path.rpartition(".")[2], None)
    return found
