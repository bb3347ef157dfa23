"""AP at one IoU threshold after fixing each type of error alone, also on resampled images.

An image that is drawn m times counts m times with its detections, objects and errors, so that resamples need no new
matching: see `study.evidence.resampling`. Seeds of one variant are averaged as in studies: see
`study.statistics.estimate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...study.evidence.resampling import image_weights, interpolated_precision
from ...study.statistics.estimate import estimate
from .results import Results
from .types import FALSE, Errors, Kind

NUM_RESAMPLES = 1000
LEVEL = 95  # percent
FIXES = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FP", "FN")


@dataclass(frozen=True)
class Change:
    """A value in percentage points of AP and its interval over images, or images and seeds; NaN if there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Budget:
    """AP in percent and what fixing each of `FIXES` adds to it, on the test images and on B resamples of them.

    Attributes:
        ap: (1 + B,) on the images as they are, then on resamples, the same in every run; (N, 1 + B) for N seeds.
        added: what each fix adds to `ap`, of the same shape.
        num_images: of the test data.
    """

    ap: np.ndarray
    added: dict[str, np.ndarray]
    num_images: int

    def change(self, name: str) -> Change:
        """AP for the name "AP", otherwise what this fix adds to it: value, or mean over seeds, and interval."""
        return change(self.ap if name == "AP" else self.added[name], self.num_images)


def error_budget(results: Results, errors: Errors, num_resamples: int = NUM_RESAMPLES) -> Budget:
    """What fixing each type of error adds to AP at IoU `results.iou`. Each is fixed alone, so they do not add up."""
    num_images = len(results.image_ids)
    weights = np.c_[np.ones(num_images, int), image_weights(num_images, num_resamples)]
    ap = _mean_ap(results, errors, weights)
    return Budget(ap, {fix: _mean_ap(results, errors, weights, fix) - ap for fix in FIXES}, num_images)


def over_seeds(budgets: Sequence[Budget]) -> Budget:
    """The budgets of N seeds, stacked into one; a single budget is returned unchanged."""
    if len(budgets) == 1:
        return budgets[0]
    added = {fix: np.stack([b.added[fix] for b in budgets]) for fix in FIXES}
    return Budget(np.stack([b.ap for b in budgets]), added, budgets[0].num_images)


def change(values: np.ndarray, num_images: int = 0) -> Change:
    """The first of (1 + B,) values, and the percentile interval of the others (Efron and Tibshirani, chapter 13).

    For (N, 1 + B) values of N seeds, it is their mean, with an interval over seeds and `num_images` images. One image
    gives no interval over images: its resamples are all the same.
    """
    if values.ndim == 2:
        known = estimate(values[:, 0], values[:, 1:], num_images)
        return Change(known.mean, known.low, known.high)
    tail = (100 - LEVEL) / 2
    known = values[1:][~np.isnan(values[1:])] if num_images != 1 else values[:0]
    low, high = np.percentile(known, [tail, 100 - tail]) if known.size else (np.nan, np.nan)
    return Change(float(values[0]), float(low), float(high))


def differences(first: Budget, second: Budget) -> dict[str, Change]:
    """The second minus the first by "AP" and fix, on the same resampled images; N seeds are subtracted pair by pair."""
    both = {"AP": (first.ap, second.ap)} | {fix: (first.added[fix], second.added[fix]) for fix in FIXES}
    return {name: change(b - a, first.num_images) for name, (a, b) in both.items()}


def _mean_ap(results: Results, errors: Errors, weights: np.ndarray, fix: str = "") -> np.ndarray:
    """(B,) mean over classes of AP in percent with one fix, under image weights (I, B).

    A class without objects in a resample does not count there. Nor does one that Miss or FN leaves without objects, if
    it has no detections either, as in tidecv: otherwise a class that is never detected would cost nothing.
    """
    label, hit, counted = _fixed_detections(results, errors, fix)
    kept = np.ones(len(errors.found), bool)
    if fix in ("Miss", "FN"):
        kept = ~errors.missed if fix == "Miss" else errors.found
    ap, present = [], []
    for k in range(len(results.classes)):
        own = np.flatnonzero(counted & (label == k))
        own = own[np.argsort(-results.found.score[own], kind="stable")]
        is_hit, image = hit[own], results.found.image[own]
        number = _count(results, (results.objects.label == k) & kept, weights)
        ap.append(interpolated_precision(image, is_hit, np.ones(len(own), bool), weights, number))
        is_empty = (number == 0) & (weights[image].sum(axis=0) == 0)
        present.append((_count(results, results.objects.label == k, weights) > 0) & ~is_empty)
    counts = np.sum(present, axis=0)
    total = np.where(present, ap, 0).sum(axis=0)
    return 100 * np.divide(total, counts, out=np.full(total.shape, np.nan), where=counts > 0)


def _fixed_detections(results: Results, errors: Errors, fix: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(D,) label, whether it is correct, and whether it is there, of each detection after a fix."""
    label, hit = results.found.label, errors.kind == Kind.CORRECT
    counted = errors.kind != Kind.IGNORED
    if fix == "FP":
        return label, hit, hit
    if fix in FALSE:
        affected = errors.kind == FALSE[fix]
        repaired = affected & errors.fixed
        label, hit = label.copy(), hit | repaired
        label[repaired] = results.objects.label[errors.target[repaired]]
        counted = counted & (~affected | repaired)
    return label, hit, counted


def _count(results: Results, which: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) how many of the chosen objects (G,) there are under image weights (I, B)."""
    return np.bincount(results.objects.image[which], minlength=len(weights)) @ weights
