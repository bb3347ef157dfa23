"""The search space of a variant: the values that are tuned, and the overrides that set them.

Tuned overrides apply after the overrides of the study and before the variant's own. So a value that a variant sets
itself is kept, and is not tuned.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ...config.calls import is_call, parameters_of
from ..spec.study import Study, Variant
from ..spec.tune_settings import TUNABLE, TuneSettings

_OF_THE_LOSS = ("alpha", "gamma")
_LR_FACTOR = 10


@dataclass(frozen=True)
class Dimension:
    """A tuned value: its name, the key of its override, its range and scale, and its default if that is a number."""

    name: str
    key: str
    low: float
    high: float
    log: bool
    default: float | None

    @property
    def holds_default(self) -> bool:
        """Whether the default is in the range."""
        return self.default is not None and self.low <= self.default <= self.high


def search_space(study: Study, variant: Variant, settings: TuneSettings) -> list[Dimension]:
    """The dimensions of a variant: values in `settings` that its config has and that its overrides do not set.

    alpha and gamma are tuned only if the loss has a number there: alpha of plain cross entropy is None, and a number
    would turn it into balanced cross entropy.
    """
    cfg = study.run_config(variant, settings.seed)
    found = []
    for name, given in settings.ranges.items():
        value = _value(cfg, TUNABLE[name].key)
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        if value is Parameter.empty or (number is None and name in (*_OF_THE_LOSS, "lr")):
            continue
        low, high = given or (number / _LR_FACTOR, number * _LR_FACTOR)
        found.append(Dimension(name, _override_key(cfg, name), low, high, TUNABLE[name].log, number))
    return _those_with_effect(study, variant, settings.seed, found)


def overrides_of(values: Mapping[str, float], space: Sequence[Dimension]) -> tuple[str, ...]:
    """The overrides of a trial, with four significant digits, in the order of the space."""
    return tuple(f"{d.key}={values[d.name]:.4g}" for d in space if d.name in values)


def with_tuned(variant: Variant, overrides: Sequence[str]) -> Variant:
    """The variant with tuned overrides before its own."""
    return Variant(variant.name, (*overrides, *variant.overrides))


def _override_key(cfg: DictConfig, name: str) -> str:
    """The override key of a value. If the config refers to a named loss, the key is below that loss, so that later
    overrides that refer to the same loss use the tuned value too."""
    raw = OmegaConf.to_container(cfg.model, resolve=False).get("cls_loss")
    named = re.fullmatch(r"\$\{([\w.\-]+)\}", raw) if isinstance(raw, str) else None
    return f"{named[1]}.{name}" if named and name in _OF_THE_LOSS else TUNABLE[name].key


def _those_with_effect(study: Study, variant: Variant, seed: int, space: Sequence[Dimension]) -> list[Dimension]:
    """The dimensions whose overrides change the config; a value that the variant sets itself is left out."""
    values = {d.name: 0.6 * d.low + 0.4 * d.high for d in space}
    overrides = overrides_of(values, space)
    cfg = study.run_config(with_tuned(variant, overrides), seed)
    written = [float(override.partition("=")[2]) for override in overrides]
    return [d for d, value in zip(space, written, strict=True) if _select(cfg, TUNABLE[d.name].key) == value]


def _value(cfg: DictConfig, key: str) -> Any:
    """A value of the config, or the default of the part that takes it; `Parameter.empty` if the config has neither."""
    parent, _, last = key.rpartition(".")
    node = _select(cfg, parent)
    if OmegaConf.is_dict(node) and last in node:
        return _select(cfg, key)
    parameter = (parameters_of(node) or {}).get(last) if is_call(node) else None
    return Parameter.empty if parameter is None else parameter.default


def _select(cfg: DictConfig, key: str) -> Any:
    return OmegaConf.select(cfg, key, throw_on_missing=False)
