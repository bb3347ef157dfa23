"""Simulated studies with a known truth: how often verdicts are wrong, intervals miss, and effects are found.

The metric of a run is the sum of its variant's level, an effect of its seed on all variants, and noise of its own.
Spreads are standard deviations of the noise: a difference of two variants with spread s has the spread sqrt(2) s.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..evidence.by_image import Evidence
from ..evidence.matching import Matches
from ..evidence.resampling import image_weights
from ..execution.results import RunResult
from ..spec.hypothesis import Hypothesis
from ..spec.metrics import COCO_METRICS
from ..statistics.estimate import LEVEL
from ..statistics.measurements import Measurements
from ..statistics.table import tabulate_runs
from ..statistics.verdict import Verdict, judge
from .many import called_at_any_look, compare_many
from .verdicts_at_looks import is_settled

AP = COCO_METRICS[0]
NAMES = "abcdefgh"
_NUM_RESAMPLES = 200


@dataclass(frozen=True)
class Setting:
    """Parameters of simulated studies. Every other variant is compared with variant "a".

    Attributes:
        spreads: standard deviation of the runs of each variant; one entry per variant.
        effects: the true mean of each variant minus that of "a"; zeros if empty.
        shapes: "normal" or "skewed" (lognormal, sigma 1) by variant; one entry stands for all.
        level: the mean of "a", in percent. Values are clipped to [0, 100].
        of_seeds: standard deviation of the effect that a seed has on all variants.
        collapsing: the share of runs of "b" that end at 0; its other runs are better, so that the means are equal.
        num_images: number of test images that can be resampled; 0 for none.
        of_images: standard deviation over images of a difference between two variants that all runs share.
        num_metrics: number of metrics in the table; the hypotheses are about the first.
        looks: whether the study is looked at after every seed from the second on.
    """

    name: str
    spreads: tuple[float, ...]
    effects: tuple[float, ...] = ()
    shapes: tuple[str, ...] = ("normal",)
    level: float = 34.0
    of_seeds: float = 1.0
    collapsing: float = 0.0
    num_images: int = 0
    of_images: float = 0.0
    num_metrics: int = 1
    looks: bool = False

    @property
    def truth(self) -> np.ndarray:
        """(V,) the effects."""
        return np.array(self.effects or np.zeros(len(self.spreads)))


@dataclass(frozen=True)
class Rates:
    """Results of simulated studies, as shares; each has the Monte-Carlo error `error(share)`.

    Attributes:
        any_call: studies that call at least one comparison different.
        unflagged: studies that call at least one comparison without a flag.
        unscoped: studies that call a comparison with neither a flag nor a caution about collapses; cautions are not
            counted for settings with images or several metrics.
        unflagged_seen: studies with a collapsed run that call a comparison without a flag; 0 without collapses.
        power: comparisons with an effect that are called different; without effects, all of them.
        coverage: 95 % intervals that contain the true difference.
    """

    num_studies: int
    any_call: float
    unflagged: float
    unflagged_seen: float
    unscoped: float
    power: float
    coverage: float

    def error(self, share: float) -> float:
        """The standard deviation of a share from the finite number of studies."""
        return math.sqrt(share * (1 - share) / self.num_studies)


def simulate(setting: Setting, num_seeds: int, num_studies: int, seed: int = 0) -> Rates:
    """Simulate studies and count; the same arguments give the same rates."""
    rng = np.random.default_rng([seed, num_seeds])
    runs = draw_runs(rng, setting, num_seeds, num_studies)
    if setting.num_images or setting.num_metrics > 1:
        found = np.array([_one_by_one(rng, setting, own) for own in runs])
        called, flagged, covered = found[:, 0] > 0, found[:, 1] > 0, found[:, 2]
        cautioned = flagged
    else:
        compared = compare_many(runs)
        called = called_at_any_look(runs) if setting.looks else compared.p < LEVEL
        flagged, cautioned, truth = compared.flagged, compared.cautioned, setting.truth[1:]
        covered = (compared.low <= truth) & (truth <= compared.high)
    unflagged = (called & ~flagged).any(axis=1)
    unscoped = (called & ~flagged & ~cautioned).any(axis=1)
    seen = (runs == 0).any(axis=(1, 2)) if setting.collapsing else False
    real = setting.truth[1:] != 0 if setting.truth.any() else slice(None)
    shares_of = (called.any(axis=1), unflagged, unflagged & seen, unscoped, called[:, real], covered)
    return Rates(num_studies, *(float(np.mean(x)) for x in shares_of))


def draw_runs(rng: np.random.Generator, setting: Setting, num_seeds: int, num_studies: int) -> np.ndarray:
    """(N, V, n) the metric of every run, without the variation due to test images."""
    number = len(setting.spreads)
    noise = rng.normal(size=(num_studies, number, num_seeds))
    for variant, shape in enumerate(np.resize(setting.shapes, number)):
        if shape == "skewed":
            noise[:, variant] = (np.exp(noise[:, variant]) - math.exp(0.5)) / math.sqrt((math.e - 1) * math.e)
    of_seeds = rng.normal(0, setting.of_seeds, (num_studies, 1, num_seeds))
    runs = setting.level + setting.truth[:, None] + noise * np.array(setting.spreads)[:, None] + of_seeds
    if setting.collapsing:
        gone = rng.random((num_studies, num_seeds)) < setting.collapsing
        runs[:, 1] = np.where(gone, 0.0, runs[:, 1] + setting.level * setting.collapsing / (1 - setting.collapsing))
    return np.clip(runs, 0, 100)


def _one_by_one(rng: np.random.Generator, setting: Setting, runs: np.ndarray) -> np.ndarray:
    """(3, V - 1) whether each comparison of one study is called, is flagged, and has an interval that covers."""
    measurements = _measured(rng, setting, runs)
    verdicts = judge(measurements, [Hypothesis(name, "a") for name in NAMES[1 : len(runs)]])
    covered = [v.difference.low <= t <= v.difference.high for v, t in zip(verdicts, setting.truth[1:], strict=True)]
    return np.array([_calls(measurements, verdicts, setting), [bool(v.flags) for v in verdicts], covered])


def _measured(rng: np.random.Generator, setting: Setting, runs: np.ndarray) -> Measurements:
    """The runs, with results by image if the setting has images."""
    evidence = {}
    if setting.num_images:
        shape = (len(runs), 1, setting.num_images)
        by_image = runs[:, :, None] + rng.normal(0, setting.of_images / math.sqrt(2), shape)
        by_image = by_image + rng.normal(0, 2, (*runs.shape, setting.num_images))
        runs = by_image.mean(axis=2)
        drawn = by_image @ (image_weights(setting.num_images, _NUM_RESAMPLES) / setting.num_images)
        matches = Matches(tuple(range(setting.num_images)), (), (), np.zeros(0), [], np.zeros(0))
        evidence = {
            (NAMES[v], seed): Evidence(matches, {AP.key: drawn[v, seed]}) for v, seed in np.ndindex(*runs.shape)
        }
    others = rng.normal(0, 1, (setting.num_metrics - 1, *runs.shape))
    metrics = {AP.key: runs} | {m.key: runs + more for m, more in zip(COCO_METRICS[1:], others, strict=False)}
    return Measurements(results_of(NAMES, metrics), evidence)


def results_of(names: Sequence[str], metrics: Mapping[str, np.ndarray]) -> list[RunResult]:
    """Results of simulated runs from (V, n) metrics by key; `names` are those of the V variants."""
    return [
        RunResult(names[v], seed, "simulated", 1.0, {key: float(values[v, seed]) for key, values in metrics.items()})
        for v, seed in np.ndindex(*metrics[AP.key].shape)
    ]


def _calls(measurements: Measurements, verdicts: Sequence[Verdict], setting: Setting) -> list[bool]:
    """Which comparisons a reader takes as called: settled verdicts, or with several metrics any p below .05."""
    if setting.num_metrics == 1:
        return [is_settled(v) for v in verdicts]
    names = NAMES[: len(setting.spreads)]
    rows = tabulate_runs(measurements, list(names), "a", COCO_METRICS[: setting.num_metrics], verdicts)
    return [any(p < 0.05 for p in row.p_corrected.values()) for row in rows[1:]]
