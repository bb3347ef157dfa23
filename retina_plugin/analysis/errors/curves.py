"""Precision, recall and F1 over the score, and the confusion of classes above a score."""

from dataclasses import dataclass

import numpy as np

from .results import Results, by_image
from .types import Errors, Kind, box_iou


@dataclass(frozen=True)
class Curve:
    """One point for each of N different scores.

    Attributes:
        score: (N,) from high to low.
        precision, recall: (N,) of the detections with at least this score.
    """

    score: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def f1(self) -> np.ndarray:
        """(N,) harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best(self) -> int | None:
        """The point with the best F1, of equal ones that with the highest score; None without objects or detections."""
        return int(self.f1.round(9).argmax()) if len(self.score) and not np.isnan(self.recall).any() else None


def curve_of(results: Results, errors: Errors, label: int | None = None) -> Curve:
    """The curve of one class, or of all detections together; recall is NaN without objects."""
    counted = errors.kind != Kind.IGNORED
    objects = np.ones(len(results.objects.label), bool)
    if label is not None:
        counted, objects = counted & (results.found.label == label), results.objects.label == label
    own = np.flatnonzero(counted)
    own = own[np.argsort(-results.found.score[own], kind="stable")]
    score, hits = results.found.score[own], np.cumsum(errors.kind[own] == Kind.CORRECT)
    last = np.flatnonzero(np.diff(score, append=-1))  # of equal scores
    number = objects.sum()
    return Curve(score[last], hits[last] / (last + 1), hits[last] / number if number else np.full(len(last), np.nan))


def best_threshold(results: Results, errors: Errors) -> float:
    """The score with the best F1 of all detections together; 0 without objects or detections."""
    curve = curve_of(results, errors)
    return 0.0 if curve.best is None else float(curve.score[curve.best])


def confusion_matrix(results: Results, errors: Errors, score_thresh: float) -> np.ndarray:
    """(K + 1, K + 1) numbers of pairs by class of the object (row) and of the detection (column); K is background.

    Whatever its class, each detection with at least this score gets the free object with which its IoU is highest, if
    that reaches `results.iou`; detections with higher scores choose first. Detections in crowds do not count.
    """
    background = len(results.classes)
    matrix = np.zeros((background + 1, background + 1), int)
    found, objects = results.found, results.objects
    kept = (found.score >= score_thresh) & (errors.kind != Kind.IGNORED)
    images = [by_image(x.image, len(results.image_ids)) for x in (found, objects)]
    for dets, own in zip(*images, strict=True):
        dets = dets[kept[dets]]
        places = _match(box_iou(found.box[dets], objects.box[own]), results.iou)
        rows = np.append(objects.label[own], background)[places]
        np.add.at(matrix, (rows, found.label[dets]), 1)
        np.add.at(matrix, (objects.label[np.delete(own, places[places >= 0])], background), 1)
    return matrix


def _match(overlap: np.ndarray, iou: float) -> np.ndarray:
    """(D,) the free column with the highest overlap (D, G) for each row, first rows first; -1 if it is below `iou`."""
    places, free = np.full(len(overlap), -1), overlap.copy()
    for row in range(len(free)):
        column = int(free[row].argmax()) if free.shape[1] else -1
        if column >= 0 and free[row, column] >= iou:
            places[row] = column
            free[:, column] = -1
    return places
