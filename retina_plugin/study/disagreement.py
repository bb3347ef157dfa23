"""The test images on which detectors differ most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .matching import Matches

__all__ = ["best_threshold", "f1_by_image", "rank_by_disagreement"]

_THRESHOLDS = np.arange(0.05, 1.0, 0.05)


def f1_by_image(matches: Matches, score_thresh: float) -> np.ndarray:
    """(I,) F1 of the detections that score at least `score_thresh`, at IoU .5, over all categories.

    An image without objects and detections has 1.
    """
    hits, found, objects = _counts(matches, score_thresh)
    total = found + objects
    return np.divide(2 * hits, total, out=np.ones(len(total)), where=total > 0)


def best_threshold(matches: Matches) -> float:
    """The score threshold, in steps of .05, with the best F1 over all test images."""
    scores = []
    for thresh in _THRESHOLDS:
        hits, found, objects = (counts.sum() for counts in _counts(matches, thresh))
        scores.append(2 * hits / max(found + objects, 1))
    return round(float(_THRESHOLDS[int(np.argmax(scores))]), 2)


def _counts(matches: Matches, score_thresh: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(I,) true positives, detections and objects that count."""
    num_images = len(matches.image_ids)
    hits, found = np.zeros(num_images), np.zeros(num_images)
    for ranked in matches.ranked[0]:
        kept = (ranked.score >= score_thresh) & ~ranked.ignored[0]
        found += np.bincount(ranked.image[kept], minlength=num_images)
        hits += np.bincount(ranked.image[kept & ranked.matched[0]], minlength=num_images)
    return hits, found, matches.num_objects[0].sum(axis=0)


def rank_by_disagreement(
    runs: Sequence[Matches], score_thresh: Sequence[float]
) -> list[tuple[int, float]]:
    """Image ids and how far the F1 of `runs` lies apart there, the widest first; ties in the json file's order."""
    f1 = np.stack([f1_by_image(m, t) for m, t in zip(runs, score_thresh, strict=True)])
    apart = f1.max(axis=0) - f1.min(axis=0)
    order = np.argsort(-apart, kind="stable")
    return [(runs[0].image_ids[i], float(apart[i])) for i in order]
