"""The step of the detector at which an object is lost, in a detector that is made to lose it there."""

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances
from scenes import CAT, scene

from retina_plugin.analysis.dense import DenseImage
from retina_plugin.analysis.errors import anchors
from retina_plugin.analysis.errors.anchors import explain
from retina_plugin.analysis.errors.types import find_errors

OBJECT = (10.0, 10.0, 40.0, 40.0)  # XYWH
NEAR = (14.0, 10.0, 40.0, 40.0)  # IoU .82 with it
APART = (32.0, 10.0, 40.0, 40.0)  # IoU .29 with it
KINDS = 2


class Detector:
    """Its deltas are offsets of boxes, and its logits are scores."""

    device, test_nms_thresh = torch.device("cpu"), 0.5

    class box2box_transform:  # noqa: N801
        apply_deltas = staticmethod(lambda deltas, boxes: boxes + deltas)

    class cls_loss:  # noqa: N801
        scores = staticmethod(lambda logits: logits)


def corners(box):
    x, y, w, h = box
    return [x, y, x + w, y + h]


def dense(anchor, box, score, label, scale=2.0):
    """An image resized by `scale` with the object and one anchor, whose box is `box`."""
    truth = Instances((200, 200))
    truth.gt_boxes, truth.gt_classes = Boxes(scale * torch.tensor([corners(OBJECT)])), torch.tensor([0])
    place, aim = (scale * torch.tensor([corners(x)]) for x in (anchor, box))
    return DenseImage(
        entry={"image_id": 1, "width": 100, "height": 100},
        image=torch.zeros(3, int(100 * scale), int(100 * scale)),
        logits=torch.tensor([[score, 0.0]]),
        deltas=aim - place,
        labels=torch.tensor([label]),
        boxes=truth.gt_boxes.tensor,
        anchors=place,
        levels=torch.zeros(1),
        ground_truth=truth,
    )


def explained(monkeypatch, image, rows=(), objects=((1, CAT, OBJECT),), thresh=0.5):
    monkeypatch.setattr(anchors, "load_detector", lambda *args, **kwargs: (None, Detector()))
    monkeypatch.setattr(anchors, "dense_images", lambda *args, **kwargs: [image])
    results = scene(list(objects), list(rows))
    return explain("run", results, find_errors(results), thresh)


@pytest.mark.parametrize(
    ("cause", "box", "score", "label", "rows"),
    [
        ("no anchor matches", NEAR, 0.9, KINDS, []),
        ("box too far off", APART, 0.9, 0, []),
        ("score too low", NEAR, 0.4, 0, [(1, CAT, NEAR, 0.4)]),
        ("removed by NMS", NEAR, 0.6, 0, [(1, CAT, (27.0, 10.0, 40.0, 40.0), 0.8)]),
        ("over a limit", NEAR, 0.6, 0, []),
    ],
)
def test_the_first_step_that_fails_is_the_cause(monkeypatch, cause, box, score, label, rows):
    (lost,) = explained(monkeypatch, dense(OBJECT, box, score, label), rows).lost
    assert lost.cause == cause
    is_assigned = label == 0
    assert lost.num_foreground == is_assigned and lost.anchor_iou == pytest.approx(1)
    assert lost.score == (pytest.approx(score) if is_assigned else 0)
    assert lost.box_iou == pytest.approx({NEAR: 36 / 44, APART: 18 / 62}[box] * is_assigned)


def test_the_detection_may_belong_to_another_object(monkeypatch):
    objects = [(1, CAT, OBJECT), (1, CAT, NEAR)]
    lost = explained(monkeypatch, dense(OBJECT, NEAR, 0.6, 0), [(1, CAT, NEAR, 0.6)], objects).lost
    assert [(x.place, x.cause) for x in lost] == [(0, "given to another object")]


def test_an_object_that_is_found_is_not_lost(monkeypatch):
    assert not explained(monkeypatch, dense(OBJECT, OBJECT, 0.6, 0), [(1, CAT, OBJECT, 0.6)]).lost


@pytest.mark.parametrize(("label", "name"), [(KINDS, "background"), (-1, "ignored"), (0, "foreground")])
def test_a_false_detection_has_the_label_of_its_anchor(monkeypatch, label, name):
    away = (60.0, 60.0, 20.0, 20.0)
    found = explained(monkeypatch, dense(APART, away, 0.7, label), [(1, CAT, away, 0.7)])
    (false,) = found.false
    assert (false.kind, false.label) == ("Bkg", name) and false.anchor_iou == pytest.approx(18 / 62)
    assert found.as_dict()["labels"]["Bkg"][name] == 1


def test_a_detection_that_no_anchor_gives_is_unknown(monkeypatch):
    away = (60.0, 60.0, 20.0, 20.0)
    (false,) = explained(monkeypatch, dense(APART, away, 0.3, KINDS), [(1, CAT, away, 0.7)]).false
    assert false.label == "unknown" and np.isnan(false.anchor_iou)
