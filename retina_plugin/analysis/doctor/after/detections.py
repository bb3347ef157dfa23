"""Detections of a run, compared with the ground truth of its test data."""

from collections.abc import Iterator

import numpy as np
import torch
from detectron2.structures import pairwise_iou

from ....evaluation.truth import boxes_of, by_image
from ....modeling.losses.one_vs_all import OneVsAllLoss
from ...pasting import evaluating
from ..finding import Finding
from ..training.settings import setting
from .cover import IOU, cover
from .record import Record

_ONE_CLASS, _PERMUTED, _DUPLICATES = 0.95, 0.6, 0.2  # shares of objects, of objects, of detections
_LEAST = 10  # objects or detections, to judge them
_LOW_SCORE = 0.1


def nothing(record: Record) -> Iterator[Finding]:
    """An evaluation without detections, or with low scores only: retinanet-examples#8."""
    found, iterations = record.detections, record.ap[0]
    if found is None:
        if len(iterations):
            message = "the detections of the last evaluation are missing or cannot be read"
            fix = f"retina train {evaluating(record.folder)}"
            yield Finding("hint", "no-results-file", message, str(record.folder), fix)
        return
    key, threshold = "model.test_score_thresh", record.cfg.model.get("test_score_thresh", 0.05)
    if not found:
        message = f"no anchor of any test image scores above {key}={threshold:g}"
        fix = "train longer, or begin with model.head.prior_prob=stationary; model.test_score_thresh=0.001 shows scores"
        yield Finding("error", "no-detections", message, key, fix)
    elif tells_little(record):
        best = max(d["score"] for d in found)
        message = f"the best of {len(found)} detections scores {best:.3f}: the detector tells little from background"
        fix = f"model.head.prior_prob=stationary, or train.max_iter={3 * record.max_iter}"
        yield Finding("warning", "low-scores", message, "model.head.prior_prob", fix)


def tells_little(record: Record) -> bool:
    """Whether all scores are below `_LOW_SCORE`, so that missed and confused objects are not worth examining yet."""
    return max((d["score"] for d in record.detections or ()), default=0.0) < _LOW_SCORE


def no_precision(record: Record) -> Iterator[Finding]:
    """Detections, but an AP of 0: keras-retinanet#439, yhenon#145."""
    _, values = record.ap
    if record.detections and len(values) and values[-1] <= 0.01 and len(found := cover(record).truth):
        share = float(np.mean(cover(record).covered >= 0))
        number = len(record.detections)
        message = f"{number} detections give AP {values[-1]:.2g}, and cover {share:.0%} of {len(found)} objects"
        fix = "if objects are covered, compare class ids; if not, look at them with retina data"
        yield Finding("error", "ap-zero", message, str(record.folder), fix)


def one_class(record: Record) -> Iterator[Finding]:
    """Every object detected as the same class, although the data have several: mmdetection#6759."""
    found = cover(record)
    predicted, truth = found.covered[found.covered >= 0], found.truth
    if len(predicted) < _LEAST:
        return
    names, counts = np.unique(predicted, return_counts=True)
    most = np.unique(truth, return_counts=True)[1].max() / len(truth)
    if counts.max() > _ONE_CLASS * len(predicted) and most < 0.8:
        name = _name(record, names[counts.argmax()])
        message = (
            f"{counts.max()} of {len(predicted)} covered objects are detected as {name}, which {most:.0%} at most are"
        )
        fix = "more images of the others"
        if isinstance(setting(record.cfg, "model.cls_loss"), OneVsAllLoss):  # other losses take no list
            fix = f"model.cls_loss.alpha=[...] with one weight per class, or {fix}"
        yield Finding("warning", "one-class", message, "model.cls_loss", fix)


def permuted(record: Record) -> Iterator[Finding]:
    """Class ids that are exchanged or shifted by one: detectron2#5335, #946, #189, #1531, kuangliu#24."""
    found = cover(record)
    covered = found.covered >= 0
    truth, predicted = found.truth[covered], found.covered[covered]
    mapping = {}
    for label in np.unique(truth):
        names, counts = np.unique(predicted[truth == label], return_counts=True)
        mapping[int(label)] = int(names[counts.argmax()])
    moved = {label: other for label, other in mapping.items() if label != other}
    own = np.isin(truth, list(moved))
    if own.sum() < _LEAST or len(moved) < 2 or len(set(mapping.values())) < len(mapping):
        return
    agree = np.mean([moved[t] == p for t, p in zip(truth[own].tolist(), predicted[own].tolist(), strict=True)])
    if agree < _PERMUTED:
        return
    pairs = ", ".join(f"{_name(record, label)} as {_name(record, other)}" for label, other in list(moved.items())[:4])
    message = f"{agree:.0%} of {own.sum()} covered objects of {len(moved)} classes have an exchanged class: {pairs}"
    fix = "give training and test json the same categories in the same order, with ids that mean the same"
    yield Finding("error", "classes-exchanged", message, "dataloader.test.dataset.names", fix)


def duplicates(record: Record) -> Iterator[Finding]:
    """Several detections of one object, which NMS should have removed: pytorch/vision#2799."""
    repeated = total = 0
    strongest = sorted(record.detections or (), key=lambda d: -d["score"])
    for own in by_image(strongest[: max(2 * len(cover(record).truth), _LEAST)]).values():
        boxes, classes = boxes_of(own), torch.tensor([d["category_id"] for d in own])
        same = (pairwise_iou(boxes, boxes) > IOU) & (classes[:, None] == classes)
        repeated += int(same.tril(-1).any(1).sum())
        total += len(own)
    if total >= _LEAST and repeated > _DUPLICATES * total:
        key, value = "model.test_nms_thresh", record.cfg.model.get("test_nms_thresh", 0.5)
        message = (
            f"{repeated} of the {total} strongest detections overlap a stronger one of their class by more than half"
        )
        yield Finding("warning", "duplicates", message, key, f"{key}=0.5 (it is {value:g})")


def _name(record: Record, category_id: int) -> str:
    known = record.truth.cats.get(int(category_id)) if record.truth else None
    return str(known["name"]) if known else f"category {category_id}"
