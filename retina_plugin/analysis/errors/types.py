"""TIDE's types of errors: why each false detection is false, and why each missed object is missed.

Source: Bolya et al. 2020, TIDE: A General Toolbox for Identifying Object Detection Errors, section 3. With t_f the IoU
from which a detection is correct, and t_b the IoU up to which it lies in the background:

- Cls: IoU >= t_f with an object of another class.
- Loc: t_b <= IoU <= t_f with an object of its own class.
- Both: t_b < IoU < t_f with an object of another class.
- Dupe: IoU >= t_f with an object of its own class that a detection with a higher score has.
- Bkg: IoU <= t_b with every object.
- Miss: an object without a correct detection, and without one of Cls or Loc.

Where several hold, the order is Loc, Cls, Dupe, Bkg, Both, that of the authors' program. Fixing Cls or Loc makes the
highest-scoring such detection of an object correct, if no detection has the object already, and removes the others.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from pycocotools import mask

from .results import Found, Objects, Results, by_image

BACKGROUND_IOU = 0.1  # t_b


class Kind(IntEnum):
    """The type of a detection: ignored, correct, or one of TIDE's errors."""

    IGNORED = -1
    CORRECT = 0
    CLS = 1
    LOC = 2
    BOTH = 3
    DUPE = 4
    BKG = 5


FALSE = {"Cls": Kind.CLS, "Loc": Kind.LOC, "Both": Kind.BOTH, "Dupe": Kind.DUPE, "Bkg": Kind.BKG}  # by TIDE's names
MEANING = {
    "Cls": "right place, wrong class",
    "Loc": "right class, box too far off",
    "Both": "wrong class, and box too far off",
    "Dupe": "second detection of an object",
    "Bkg": "no object there",
    "Miss": "object without any such detection",
    "FP": "all false detections",
    "FN": "all objects that are not found",
}


@dataclass(frozen=True)
class Errors:
    """The errors of a run.

    Attributes:
        kind: (D,) a `Kind` for each detection.
        target: (D,) index of the object that a detection has, or would have without its error; -1 is none.
        fixed: (D,) bool, whether fixing its error makes a detection correct; otherwise fixing removes it.
        found: (G,) bool, whether an object has a correct detection.
        missed: (G,) bool, whether an object is an error of the type Miss.
    """

    kind: np.ndarray
    target: np.ndarray
    fixed: np.ndarray
    found: np.ndarray
    missed: np.ndarray

    def counts(self) -> dict[str, int]:
        """How many errors of each type there are, by TIDE's names, with FP and FN."""
        counts = {name: int((self.kind == kind).sum()) for name, kind in FALSE.items()}
        totals = {"FP": sum(counts.values()), "FN": int((~self.found).sum())}
        return counts | {"Miss": int(self.missed.sum())} | totals


def find_errors(results: Results) -> Errors:
    """The type of every detection and object; `results.iou` is t_f and `BACKGROUND_IOU` t_b."""
    found, objects = results.found, results.objects
    has_detection = np.zeros(len(objects.label), bool)
    has_detection[found.matched[found.matched >= 0]] = True
    kind, target = np.full(len(found.label), Kind.BKG), np.full(len(found.label), -1)
    images = [by_image(x.image, len(results.image_ids)) for x in (found, objects)]
    for dets, own in zip(*images, strict=True):
        kind[dets], target[dets] = _of_image(found, objects, dets, own, has_detection, results.iou)
    fixed, covered = _fixable(kind, target, found.score, has_detection)
    return Errors(kind, target, fixed, has_detection, ~has_detection & ~covered)


def _of_image(
    found: Found, objects: Objects, dets: np.ndarray, own: np.ndarray, taken: np.ndarray, iou: float
) -> tuple[np.ndarray, np.ndarray]:
    """Kinds and targets of the detections `dets` of an image with the objects `own`."""
    overlap = box_iou(found.box[dets], objects.box[own])
    overlap = np.pad(overlap, ((0, 0), (0, 1)))  # no object: IoU 0
    own = np.append(own, -1)
    same = found.label[dets][:, None] == np.where(own < 0, -1, np.append(objects.label, -1)[own])
    right, wrong = np.where(same, overlap, 0), np.where(same, 0, overlap)
    second = np.where(np.append(taken, False)[own], right, 0)
    cases = [
        (found.ignored[dets], Kind.IGNORED, np.full(len(dets), -1)),
        (found.matched[dets] >= 0, Kind.CORRECT, found.matched[dets]),
        ((right.max(1) >= BACKGROUND_IOU) & (right.max(1) <= iou), Kind.LOC, own[right.argmax(1)]),
        (wrong.max(1) >= iou, Kind.CLS, own[wrong.argmax(1)]),
        (second.max(1) >= iou, Kind.DUPE, own[second.argmax(1)]),
        (overlap.max(1) <= BACKGROUND_IOU, Kind.BKG, np.full(len(dets), -1)),
    ]
    holds, kinds, targets = zip(*cases, strict=True)
    return np.select(holds, kinds, Kind.BOTH), np.select(holds, targets, -1)


def _fixable(kind: np.ndarray, target: np.ndarray, score: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, ...]:
    """(D,) whether a fix makes a detection correct, and (G,) whether an object has a detection to fix."""
    nearly = np.flatnonzero(np.isin(kind, (Kind.CLS, Kind.LOC)) & (target >= 0))
    nearly = nearly[~taken[target[nearly]]]
    best_first = nearly[np.argsort(-score[nearly], kind="stable")]
    objects, places = np.unique(target[best_first], return_index=True)
    fixed, covered = np.zeros(len(kind), bool), np.zeros(len(taken), bool)
    fixed[best_first[places]] = True
    covered[objects] = True
    return fixed, covered


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, M) IoU of (N, 4) and (M, 4) boxes XYWH, as pycocotools computes it."""
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    return np.asarray(mask.iou(np.ascontiguousarray(first), np.ascontiguousarray(second), [False] * len(second)))
