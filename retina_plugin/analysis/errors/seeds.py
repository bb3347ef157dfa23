"""Runs that are seeds of one variant."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ...config import ConfigError
from ...config.walk import leaves
from ...engine.reliability.config_values import is_free
from ...engine.setup import PRIOR
from ...study.execution.pairing import INITIAL_WEIGHTS
from .budget import Budget, error_budget
from .results import Results
from .types import Errors, find_errors

_SAME_START = 0.1  # relative difference of two priors that were computed from samples of the same data
_OF_SEEDS = ("train.seed", "dataloader.train.resample_seed")
_START, _START_CLASSES = "train.init_checkpoint", "train.init_classes"  # a resumed run does not read them


@dataclass(frozen=True)
class Measured:
    """What one run adds to the mean over seeds."""

    results: Results
    errors: Errors
    budget: Budget


def measure_seed(first: Results, other: Results) -> Measured:
    """The errors of another seed of the first run's variant.

    Raises:
        ConfigError: if their configs differ in more than the seed.
    """
    if changed := _changed(first, other):
        raise ConfigError(
            f"{first.name} and {other.name} are not seeds of one variant: they differ in {', '.join(changed[:3])}; "
            "give the runs to compare with to --other"
        )
    errors = find_errors(other)
    return Measured(other, errors, error_budget(other, errors))


def _changed(first: Results, other: Results) -> list[str]:
    """Keys in which the configs of two runs differ, see `_values`."""
    one, two = map(_values, (first, other))
    return sorted(k for k in one.keys() | two.keys() if not _alike(k, one.get(k), two.get(k)))


def _alike(key: str, one: Any, two: Any) -> bool:
    """Whether two values are those of one variant; each run computes a "stationary" prior from images of its seed."""
    is_start = key == PRIOR and isinstance(one, float) and isinstance(two, float)
    return one == two or (is_start and math.isclose(one, two, rel_tol=_SAME_START))


def _values(run: Results) -> dict[str, Any]:
    """The config by key without what changes with the seed, or changes no result, such as the device.

    A study gives each seed its own initial weights, which count as the same start.
    """
    values = dict(leaves(OmegaConf.to_container(run.cfg, resolve=False)))
    start, own = values.get(_START), Path(str(values["train.output_dir"])).name + INITIAL_WEIGHTS
    differing = [k for k in values if k.startswith(_START_CLASSES) or not (is_free(k) or k in _OF_SEEDS)]
    kept = {key: values[key] for key in differing}
    return kept | {_START: INITIAL_WEIGHTS if Path(str(start)).name == own else start}
