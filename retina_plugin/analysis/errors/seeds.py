"""Runs that are seeds of one variant."""

from dataclasses import dataclass

from omegaconf import OmegaConf

from ...config import ConfigError
from ...config.walk import leaves
from .budget import Budget, error_budget
from .results import Results
from .types import Errors, find_errors

_OF_SEEDS = ("train.seed", "train.output_dir")  # what may differ between seeds


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
            f"{first.name} and {other.name} are no seeds of one variant: they differ in {', '.join(changed[:3])}; "
            "give the runs to compare with to --other"
        )
    errors = find_errors(other)
    return Measured(other, errors, error_budget(other, errors))


def _changed(first: Results, other: Results) -> list[str]:
    """Keys in which the configs of two runs differ, apart from those of seeds."""
    one, two = (dict(leaves(OmegaConf.to_container(r.cfg, resolve=False))) for r in (first, other))
    return sorted(k for k in one.keys() | two.keys() if k not in _OF_SEEDS and one.get(k) != two.get(k))
