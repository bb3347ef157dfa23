"""`tune` of a study file: which values are tuned in which range, and with which budget."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...config import ConfigError


class Tunable(NamedTuple):
    """A value that can be tuned: its config key, its default range, and whether it is searched on a logarithmic scale.

    Without a range it is searched from a tenth of the study's value to ten times as much.
    """

    key: str
    range: tuple[float, float] | None
    log: bool = True


TUNABLE = {
    "lr": Tunable("optimizer.lr", None),
    "prior": Tunable("model.head.prior_prob", (1e-4, 0.1)),
    "clip": Tunable("train.clip_grad_norm", (0.1, 100.0)),
    "weight": Tunable("model.cls_loss_weight", (0.05, 2.0)),  # if the model has it
    "alpha": Tunable("model.cls_loss.alpha", (0.05, 0.95), log=False),  # if the loss has a number there
    "gamma": Tunable("model.cls_loss.gamma", (0.0, 5.0), log=False),
}
_EXAMPLE = "tune=dict(lr=[3e-4, 1e-2], gamma=None, rungs=[0.25, 1.0])"


@dataclass(frozen=True)
class TuneSettings:
    """Settings of tuning, the same for all variants.

    Attributes:
        ranges: lowest and highest value by name of TUNABLE; None for the default range of lr. Names that are left out
            are not tuned.
        rungs: shares of train.max_iter, ascending. All trials train for the first; the best of each rung train anew
            for the next, with a learning rate schedule of that length.
        reduction: one in this many trials is promoted to the next rung; at least two are, one of them the default.
        batch: number of trials of a variant that are chosen together. Results do not depend on how many run at once.
        seed: seed of the trainings; plus the number of a trial, the seed of the sampler.
        share: share of the training images that is held out to measure AP, if data are not synthetic.
    """

    ranges: Mapping[str, tuple[float, float] | None] = field(
        default_factory=lambda: {k: t.range for k, t in TUNABLE.items()}
    )
    rungs: tuple[float, ...] = (0.25, 1.0)
    reduction: int = 4
    batch: int = 4
    seed: int = 1000
    share: float = 0.2

    def __post_init__(self) -> None:
        rungs = self.rungs
        are_shares = isinstance(rungs, tuple) and all(type(x) in (int, float) and 0 < x <= 1 for x in rungs)
        if not are_shares or not rungs or list(rungs) != sorted(set(rungs)):
            raise ConfigError(f"tune.rungs must be a list of ascending shares of train.max_iter up to 1, got {rungs}")
        for name in ("reduction", "batch"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ConfigError(f"tune.{name} must be an integer of 1 or more, got {value!r}")
        if type(self.seed) is not int or self.seed < 0 or type(self.share) is not float or not 0 < self.share < 1:
            raise ConfigError(
                f"tune.seed must be an integer of 0 or more and tune.share in (0, 1), got {self.seed!r}, {self.share!r}"
            )

    def survivors(self, trials: int) -> int:
        """How many of a rung's trials are promoted to the next rung."""
        return min(trials, max(2, trials // self.reduction))


def read_tune_settings(content: Mapping[str, Any]) -> TuneSettings:
    """The settings of `tune` in a study file, with defaults for missing keys; None for a range does not tune it.

    Raises:
        ConfigError: if a key is unknown or a value is not valid.
    """
    budget = ("rungs", "reduction", "batch", "seed", "share")
    if not isinstance(content, Mapping) or not set(content) <= {*TUNABLE, *budget}:
        raise ConfigError(f"tune takes {[*TUNABLE, *budget]}, such as {_EXAMPLE}, got {content!r}")
    given = {name: content.get(name, tunable.range) for name, tunable in TUNABLE.items()}
    left_out = {name for name in content if content[name] is None}
    ranges = {name: _read_range(name, value) for name, value in given.items() if name not in left_out}
    rest = {name: tuple(v) if isinstance(v := content[name], list) else v for name in budget if name in content}
    return TuneSettings(ranges, **rest)


def _read_range(name: str, value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    low, high = value if isinstance(value, list | tuple) and len(value) == 2 else (None, None)
    are_numbers = all(isinstance(x, int | float) for x in (low, high))
    if not are_numbers or not low < high or (TUNABLE[name].log and low <= 0):
        raise ConfigError(f"tune.{name} must be [lowest, highest] or None, got {value!r}, such as {_EXAMPLE}")
    return float(low), float(high)
