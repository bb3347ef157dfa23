"""Label assigners: the matcher equals Detectron2's, and others need one new class only."""

import pytest
import torch
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.meta_arch import RetinaNet
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from test_retinanet import STRIDES, batch, pluggable

from retina_plugin.modeling import (
    AnchorTargets,
    LabelAssigner,
    MatcherAssigner,
    OctaveAnchorGenerator,
)
from retina_plugin.modeling.losses import BoxLoss, GIoULoss, SmoothL1Loss


class CenterAssigner(LabelAssigner):
    """An object trains the anchors of the coarsest level whose centers lie inside of it."""

    def __init__(self, weight=None):
        super().__init__()
        self.weight = weight

    def forward(self, anchors, gt_instances, num_classes):
        self.levels = [len(level) for level in anchors]
        centers = Boxes.cat(anchors).get_centers()
        is_coarsest = torch.arange(len(centers)) >= len(centers) - len(anchors[-1])
        labels = torch.full((len(gt_instances), len(centers)), num_classes)
        boxes = torch.zeros(*labels.shape, 4)
        for i, instances in enumerate(gt_instances):
            objects = zip(instances.gt_boxes.tensor, instances.gt_classes, strict=True)
            for box, gt_class in objects:
                inside = ((centers >= box[:2]) & (centers <= box[2:])).all(1) & is_coarsest
                labels[i, inside], boxes[i, inside] = gt_class, box
        weights = None if self.weight is None else torch.full(labels.shape, self.weight)
        return AnchorTargets(labels, boxes, weights)


def whole_image(num_images=2):
    """Ground truth that contains the anchor centers of the coarsest level."""
    data = batch()[:num_images]
    for inputs in data:
        inputs["instances"] = instances = Instances((128, 128))
        instances.gt_boxes = Boxes(torch.tensor([[0.0, 0, 128, 128]]))
        instances.gt_classes = torch.tensor([1])
    return data


def losses(model, data):
    with EventStorage():
        return model(data)


@pytest.mark.parametrize("seed", range(3))
def test_the_matcher_labels_anchors_as_upstream_bit_for_bit(seed):
    torch.manual_seed(seed)
    model = pluggable()
    anchors = model.anchor_generator([torch.zeros(1, 8, 128 // s, 128 // s) for s in STRIDES])
    gt_instances = []
    for number in (0, 1, 7):
        corners = torch.rand(number, 2) * 100
        instances = Instances((128, 128))
        instances.gt_boxes = Boxes(torch.cat([corners, corners + 4 + torch.rand(number, 2) * 90], 1))
        instances.gt_classes = torch.randint(0, 3, (number,))
        gt_instances.append(instances)
    expected_labels, expected_boxes = RetinaNet.label_anchors(model, anchors, gt_instances)
    labels, boxes = model.label_anchors(anchors, gt_instances)
    for i, of_image in enumerate(expected_labels):
        is_foreground = (of_image >= 0) & (of_image < 3)
        assert torch.equal(labels[i], of_image)
        assert torch.equal(boxes[i][is_foreground], expected_boxes[i][is_foreground])  # undefined elsewhere
    assert any((of_image < 3).any() for of_image in labels)


class OtherMatcher(Matcher):
    """Gets the whole IoU matrix."""


@pytest.mark.parametrize("kind", [Matcher, OtherMatcher])
@pytest.mark.parametrize("others", [[], [[10.0, 10, 30, 40]]])
def test_a_box_beside_all_anchors_is_left_out(kind, others):
    """Upstream labels every anchor as foreground for it."""
    generator = OctaveAnchorGenerator(strides=STRIDES[:1], octave_base_scale=1, scales_per_octave=1, aspect_ratios=[1])
    anchors = generator([torch.zeros(1, 1, 16, 16)])
    at_the_edge = [[125.0, 40, 128, 43]]
    assigner = MatcherAssigner(kind([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True))
    images = [
        Instances((128, 128), gt_boxes=Boxes(torch.tensor(x).reshape(-1, 4))) for x in (others, others + at_the_edge)
    ]
    for image in images:
        image.gt_classes = torch.arange(len(image))
    without, found = assigner(anchors, images, 3).labels
    assert torch.equal(found, without) and (found == 3).any()


def test_another_assigner_takes_the_place_of_the_matcher():
    assigner = CenterAssigner()
    model = pluggable(anchor_matcher=None, label_assigner=assigner)
    losses(model, whole_image())
    assert assigner.levels == [9 * (128 // stride) ** 2 for stride in STRIDES]
    # one location per image at stride 128; its 9 anchors are foreground
    assert float(model.loss_normalizer) == pytest.approx(100 * 0.9 + 2 * 9 * 0.1)
    assert not any("label_assigner" in name for name in model.state_dict())


@pytest.mark.parametrize("box_loss", [SmoothL1Loss(), GIoULoss()])
def test_weights_multiply_both_losses(box_loss):
    found = []
    for weight in (None, 1.0, 0.25):
        torch.manual_seed(0)
        assigner = CenterAssigner(weight)
        model = pluggable(box_loss=box_loss, anchor_matcher=None, label_assigner=assigner)
        found.append({k: v.item() for k, v in losses(model, whole_image()).items()})
    for name in ("loss_cls", "loss_box_reg"):
        plain, weighted, quarter = (loss[name] for loss in found)
        assert plain == pytest.approx(weighted) == pytest.approx(4 * quarter)


def test_weights_need_a_box_loss_that_gives_its_value_for_every_anchor():
    class SumOnly(BoxLoss):
        def forward(self, pred_anchor_deltas, anchors, gt_boxes, box2box_transform):
            return pred_anchor_deltas.sum()

    model = pluggable(box_loss=SumOnly(), anchor_matcher=None, label_assigner=CenterAssigner(0.5))
    with pytest.raises(NotImplementedError, match="SumOnly gives only a sum.*`elementwise`"):
        losses(model, whole_image())


def test_a_matcher_is_no_assigner():
    matcher = Matcher([0.4, 0.5], [0, -1, 1])
    with pytest.raises(ValueError, match="label_assigner is of class Matcher, not a LabelAssigner: a matcher belongs"):
        pluggable(anchor_matcher=None, label_assigner=matcher)


def test_one_way_to_label_anchors_is_needed():
    with pytest.raises(ValueError, match=r"anchor_matcher and model.label_assigner are both None"):
        pluggable(anchor_matcher=None)
    with pytest.raises(ValueError, match=r"CenterAssigner are both set: set model.anchor_matcher=null"):
        pluggable(label_assigner=CenterAssigner())
    matcher = Matcher([0.5], [0, 1])
    same = pluggable(anchor_matcher=matcher, label_assigner=MatcherAssigner(matcher))
    assert same.label_assigner.anchor_matcher is matcher
    with pytest.raises(ValueError, match=r"Matcher and .*MatcherAssigner are both set"):
        pluggable(label_assigner=MatcherAssigner(matcher))


def test_an_assigner_for_one_anchor_per_location_is_checked(monkeypatch):
    monkeypatch.setattr(CenterAssigner, "one_anchor_per_place", True)
    parts = {"anchor_matcher": None, "label_assigner": CenterAssigner()}
    with pytest.raises(ValueError, match=r"CenterAssigner needs one anchor.*has 9"):
        pluggable(**parts)
    one = OctaveAnchorGenerator(strides=STRIDES, scales_per_octave=1, aspect_ratios=[1.0])
    assert pluggable(**parts, anchor_generator=one, num_anchors=1).head.num_anchors == 1


@pytest.mark.parametrize(
    ("boxes", "weights", "message"),
    [
        ((2, 5), None, r"boxes of shape \(2, 5\).*\(2, 5, 4\)"),
        ((2, 5, 4), (5,), r"weights of shape"),
    ],
)
def test_targets_have_one_entry_per_anchor(boxes, weights, message):
    weights = None if weights is None else torch.ones(weights)
    with pytest.raises(ValueError, match=message):
        AnchorTargets(torch.zeros(2, 5), torch.zeros(boxes), weights)
