"""Find the test images that show most clearly how two detectors differ."""

from dataclasses import dataclass

import numpy as np

from ..evidence.matching import Matches

_THRESHOLDS = np.arange(0.05, 1.0, 0.05)


@dataclass(frozen=True)
class ImageCounts:
    """(I,) per image: objects that count, objects that a detection matches at IoU .5, and false detections."""

    objects: np.ndarray
    found: np.ndarray
    false: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """(I,) objects not found plus false detections."""
        return self.objects - self.found + self.false


def count_images(matches: Matches, score_thresh: float) -> ImageCounts:
    """Counts over all categories, of the detections with a score of at least `score_thresh`."""
    num_images = len(matches.image_ids)
    found, false = np.zeros(num_images, int), np.zeros(num_images, int)
    for ranked in matches.ranked[0]:
        kept = (ranked.score >= score_thresh) & ~ranked.ignored[0]
        hit = ranked.matched[0]
        found += np.bincount(ranked.image[kept & hit], minlength=num_images)
        false += np.bincount(ranked.image[kept & ~hit], minlength=num_images)
    return ImageCounts(matches.num_objects[0].sum(axis=0).astype(int), found, false)


def best_threshold(matches: Matches) -> float:
    """The score threshold, in steps of .05, with the best F1 over all test images."""

    def f1(threshold: float) -> float:
        counts = count_images(matches, threshold)
        found = 2 * counts.found.sum()
        return found / max(found + counts.errors.sum(), 1)

    return round(float(max(_THRESHOLDS, key=f1)), 2)


def rank_by_lead(ahead: ImageCounts, behind: ImageCounts) -> list[int]:
    """Indices of the images on which `ahead` makes fewer errors than `behind`, the largest gap first."""
    gaps = behind.errors - ahead.errors
    return [i for i in np.argsort(-gaps, kind="stable").tolist() if gaps[i] > 0]


def compare_errors(ahead: ImageCounts, behind: ImageCounts) -> tuple[int, int, int]:
    """Numbers of images on which `behind` makes more errors than `ahead`, fewer, and as many."""
    gaps = behind.errors - ahead.errors
    return int((gaps > 0).sum()), int((gaps < 0).sum()), int((gaps == 0).sum())
