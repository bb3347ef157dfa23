"""COCO's AP on resampled images, without matching detections again.

An image that is drawn m times counts m times: its detections keep their rank and get weight m, and so do its objects.
This equals AP on a data set that contains the image m times (Efron and Tibshirani, An Introduction to the Bootstrap,
chapter 6). Images are the sampling unit, because boxes of one image are not independent.
"""

import numpy as np
from scipy.sparse import csr_array

from .matching import Matches, RankedDetections

_RECALLS = np.linspace(0.0, 1.0, 101)  # COCO's
_AREA_NAMES = {"small": "APs", "medium": "APm", "large": "APl"}


def image_weights(num_images: int, num_resamples: int) -> np.ndarray:
    """(num_images, num_resamples) number of draws of each image, with replacement; the same for the same arguments."""
    rng = np.random.default_rng(0)
    return rng.multinomial(num_images, np.full(num_images, 1 / num_images), num_resamples).T


def resample_metrics(matches: Matches, weights: np.ndarray) -> dict[str, np.ndarray]:
    """AP, AP50, AP75, APs, APm, APl and "AP-<category>" in percent, each (B,), under image weights (I, B).

    A category without objects in a resample does not enter its mean, which is NaN if no category has objects.
    """
    ap = {}  # (K, T, B) by area
    for area, ranked, num_objects in zip(matches.areas, matches.ranked, matches.num_objects, strict=True):
        pairs = zip(ranked, num_objects, strict=True)
        ap[area] = np.stack([_average_precision(r, weights, objects @ weights) for r, objects in pairs])
    everything = ap["all"]
    metrics = {"AP": _mean(everything, (0, 1)), "AP50": _mean(everything[:, 0], 0), "AP75": _mean(everything[:, 5], 0)}
    metrics |= {_AREA_NAMES[area]: _mean(ap[area], (0, 1)) for area in matches.areas[1:]}
    per_class = zip(matches.categories, everything, strict=True)
    return metrics | {f"AP-{name}": _mean(values, 0) for name, values in per_class}


def _average_precision(ranked: RankedDetections, weights: np.ndarray, num_objects: np.ndarray) -> np.ndarray:
    """(T, B) AP of one category; NaN where `num_objects` (B,) is 0."""
    ap = [
        interpolated_precision(ranked.image, hit & ~ignored, ~ignored, weights, num_objects)
        for hit, ignored in zip(ranked.matched, ranked.ignored, strict=True)
    ]
    return np.where(num_objects > 0, np.stack(ap), np.nan)


def interpolated_precision(
    image: np.ndarray, true_positive: np.ndarray, counted: np.ndarray, weights: np.ndarray, num_objects: np.ndarray
) -> np.ndarray:
    """(B,) interpolated AP in [0, 1] of D detections, highest score first; 0 where `num_objects` is 0.

    Only ranks of true positives matter: between them recall is constant.

    Args:
        image: (D,) index of the image.
        true_positive, counted: (D,) bool; a true positive counts.
        weights: (I, B) how often each image is drawn.
        num_objects: (B,) number of objects under these weights.
    """
    if not true_positive.any():
        return np.zeros(weights.shape[1])
    hits = np.cumsum(weights[image[true_positive]], axis=0, dtype=float)
    precision = hits / (_cumulate(image, true_positive, counted, weights) + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    passed = _count_recalls(hits / np.maximum(num_objects, 1))
    return (np.diff(passed, axis=0, prepend=0) * envelope).sum(axis=0) / len(_RECALLS)


def _count_recalls(recall: np.ndarray) -> np.ndarray:
    """How many of COCO's recalls are at most `recall`, as np.searchsorted(side="right") in a third of its time."""
    below = np.minimum((recall * 100).astype(np.int64), 99)  # at most one too few because of rounding
    return below + (_RECALLS[below] <= recall) + (_RECALLS[below + 1] <= recall)


def _cumulate(image: np.ndarray, true_positive: np.ndarray, counted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(P, B) sum of the weights of all counted detections up to each of P true positives."""
    next_hit = np.cumsum(true_positive) - true_positive
    kept = counted & (next_hit < true_positive.sum())
    shape = (int(true_positive.sum()), len(weights))
    places = (next_hit[kept], image[kept])
    return np.cumsum(csr_array((np.ones(kept.sum()), places), shape=shape) @ weights, axis=0)


def _mean(ap: np.ndarray, axes: int | tuple[int, ...]) -> np.ndarray:
    known = ~np.isnan(ap)
    total, count = np.where(known, ap, 0).sum(axis=axes), known.sum(axis=axes)
    return 100 * np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
