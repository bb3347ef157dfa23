"""Tables of a run: AP and the best threshold by class, and what became of objects and detections by size and class."""

import math
from typing import Any

import numpy as np

from ...evaluation.box_metrics import SIZE_LIMITS, SIZES, mean_precision
from .curves import curve_of
from .results import Results
from .types import FALSE, Errors, Kind

OUTCOMES = ("found", "score too low", "Loc", "Cls", "Miss")
"""Outcomes of an object at a score threshold: a correct detection reaches it; one has a lower score; the best detection
is an error of type Loc; or of type Cls; there is none of these."""


def class_table(results: Results, errors: Errors) -> list[dict[str, Any]]:
    """By class: number of objects, AP, AP50 and AP75 in percent, and the threshold with the best F1 at one IoU."""
    rows = []
    for label, name in enumerate(results.classes):
        curve = curve_of(results, errors, label)
        row = {"class": name, "objects": int((results.objects.label == label).sum())} | _ap(results, label)
        values = {"threshold": curve.score, "precision": curve.precision, "recall": curve.recall, "f1": curve.f1}
        rows.append(row | {k: math.nan if curve.best is None else float(v[curve.best]) for k, v in values.items()})
    return rows


def _ap(results: Results, label: int) -> dict[str, float]:
    precision = results.coco.eval["precision"][:, :, label, 0, -1]
    return {
        "AP": mean_precision(precision),
        "AP50": mean_precision(precision[:1]),
        "AP75": mean_precision(precision[5:6]),
    }


def outcome_tables(results: Results, errors: Errors, score_thresh: float) -> dict[str, list[dict[str, Any]]]:
    """Counts of objects by outcome and of false detections by type above a score: rows by "size" and rows by "class".

    The size of a false detection is that of its box.
    """
    outcomes = object_outcomes(results, errors, score_thresh)
    false = np.where(results.found.score >= score_thresh, errors.kind, Kind.IGNORED)
    box_area = results.found.box[:, 2] * results.found.box[:, 3]
    sizes = []
    objects, boxes = (np.digitize(area, SIZE_LIMITS) for area in (results.objects.area, box_area))
    for place, name in enumerate(SIZES):
        row = {"size": name, "AP": mean_precision(results.coco.eval["precision"][:, :, :, place + 1, -1])}
        sizes.append(row | _counts(outcomes[objects == place], false[boxes == place]))
    classes = [
        {"class": name} | _counts(outcomes[results.objects.label == k], false[results.found.label == k])
        for k, name in enumerate(results.classes)
    ]
    return {"size": sizes, "class": classes}


def _counts(outcomes: np.ndarray, false: np.ndarray) -> dict[str, Any]:
    return {
        "objects": len(outcomes),
        "outcomes": {name: int((outcomes == i).sum()) for i, name in enumerate(OUTCOMES)},
        "false": {name: int((false == kind).sum()) for name, kind in FALSE.items()},
    }


def object_outcomes(results: Results, errors: Errors, score_thresh: float) -> np.ndarray:
    """(G,) index into `OUTCOMES` of each object."""
    outcomes = np.full(len(errors.found), OUTCOMES.index("Miss"))
    for name in ("Cls", "Loc"):
        outcomes[errors.target[errors.fixed & (errors.kind == FALSE[name])]] = OUTCOMES.index(name)
    outcomes[errors.found] = OUTCOMES.index("score too low")
    outcomes[found_above(results, errors, score_thresh)] = OUTCOMES.index("found")
    return outcomes


def found_above(results: Results, errors: Errors, score_thresh: float) -> np.ndarray:
    """(G,) bool, whether an object has a correct detection with at least this score."""
    found = np.zeros(len(errors.found), bool)
    found[errors.target[(errors.kind == Kind.CORRECT) & (results.found.score >= score_thresh)]] = True
    return found
