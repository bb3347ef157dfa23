"""PluggableRetinaNet compared with Detectron2's RetinaNet, and its checks."""

import itertools
import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator
from detectron2.modeling.backbone import BasicStem, ResNet
from detectron2.modeling.backbone.fpn import LastLevelP6P7
from detectron2.modeling.backbone.resnet import BasicBlock
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.meta_arch.retinanet import RetinaNet, RetinaNetHead
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from retina_plugin.modeling import (
    OctaveAnchorGenerator,
    PluggableRetinaNet,
    PluggableRetinaNetHead,
)
from retina_plugin.modeling.losses import (
    CIoULoss,
    DIoULoss,
    GIoULoss,
    SigmoidFocalLoss,
    SmoothL1Loss,
    SoftmaxCrossEntropyLoss,
)

STRIDES = [8, 16, 32, 64, 128]
ROTATED = RotatedAnchorGenerator(sizes=[[8]], aspect_ratios=[[1.0]], strides=STRIDES, angles=[[0]])
LEVELS = ["p3", "p4", "p5", "p6", "p7"]
BOX_LOSSES = {
    "smooth_l1": SmoothL1Loss(),
    "giou": GIoULoss(),
    "diou": DIoULoss(),
    "ciou": CIoULoss(),
}


def backbone(out_channels=8):
    """Of a ResNet with one block in a stage and few channels: both sides have the same."""
    widths = (8, 8, 16, 24, 32)
    stages = [
        ResNet.make_stage(BasicBlock, 1, in_channels=i, out_channels=o, stride_per_block=[1 + (i != o)], norm="BN")
        for i, o in itertools.pairwise(widths)
    ]
    bottom_up = ResNet(BasicStem(3, widths[0], norm="BN"), stages, out_features=["res3", "res4", "res5"])
    top_block = LastLevelP6P7(widths[-1], out_channels)
    return FPN(bottom_up, ["res3", "res4", "res5"], out_channels, top_block=top_block)


def shared(num_classes=3):
    return {
        "head_in_features": LEVELS,
        "box2box_transform": Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0)),
        "anchor_matcher": Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True),
        "num_classes": num_classes,
        "pixel_mean": [103.53, 116.28, 123.675],
        "pixel_std": [57.375, 57.12, 58.395],
    }


def upstream(box_reg_loss_type="smooth_l1", gamma=2.0):
    sizes = [[x, x * 2 ** (1.0 / 3), x * 2 ** (2.0 / 3)] for x in [32, 64, 128, 256, 512]]
    return RetinaNet(
        backbone=backbone(),
        head=RetinaNetHead(input_shape=[ShapeSpec(channels=8)] * 5, num_classes=3, num_anchors=9, conv_dims=[8, 8]),
        anchor_generator=DefaultAnchorGenerator(
            sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=STRIDES, offset=0.0
        ),
        box_reg_loss_type=box_reg_loss_type,
        focal_loss_gamma=gamma,
        **shared(),
    )


def pluggable(cls_loss=None, box_loss=None, num_anchors=9, **changes):
    cls_loss = cls_loss or SigmoidFocalLoss()
    parts = {
        "backbone": backbone(),
        "head": PluggableRetinaNetHead(
            input_shape=[ShapeSpec(channels=8)] * 5,
            num_classes=3,
            num_anchors=num_anchors,
            cls_loss=cls_loss,
            conv_dims=[8, 8],
        ),
        "anchor_generator": OctaveAnchorGenerator(strides=STRIDES),
        "cls_loss": cls_loss,
        "box_loss": box_loss,
    }
    return PluggableRetinaNet(**shared() | parts | changes)


def batch():
    rng = torch.Generator().manual_seed(0)
    data = []
    for boxes in ([[10.0, 12, 90, 100], [40, 50, 70, 66]], [[5, 5, 120, 60]], []):
        instances = Instances((128, 128))
        instances.gt_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
        instances.gt_classes = torch.arange(len(boxes))
        image = torch.randint(0, 256, (3, 128, 128), generator=rng, dtype=torch.uint8)
        data.append({"image": image, "instances": instances, "height": 200, "width": 200})
    return data


def pair(box_reg_loss_type="smooth_l1", gamma=2.0):
    torch.manual_seed(0)
    theirs = upstream(box_reg_loss_type, gamma)
    ours = pluggable(SigmoidFocalLoss(gamma=gamma), BOX_LOSSES[box_reg_loss_type])
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize("box_reg_loss_type", BOX_LOSSES)
def test_losses_and_gradients_are_upstreams_over_steps(box_reg_loss_type):
    theirs, ours = pair(box_reg_loss_type)
    data = batch()
    for _ in range(3):  # the loss normalizer moves from step to step
        for model in (theirs, ours):
            model.zero_grad()
            with EventStorage():
                model.losses_now = model(data)
            sum(model.losses_now.values()).backward()
        for name, loss in theirs.losses_now.items():
            torch.testing.assert_close(ours.losses_now[name], loss, rtol=1e-6, atol=0)
        for (name, p), q in zip(theirs.named_parameters(), ours.parameters(), strict=True):
            torch.testing.assert_close(q.grad, p.grad, rtol=1e-5, atol=1e-7, msg=name)
        theirs_grad, ours_grad = (torch.cat([p.grad.flatten() for p in model.parameters()]) for model in (theirs, ours))
        assert (ours_grad - theirs_grad).norm() <= 1e-6 * theirs_grad.norm()
    assert float(ours.loss_normalizer) == theirs.loss_normalizer


def test_detections_are_upstreams():
    theirs, ours = pair()
    for model in (theirs, ours):
        model.eval()
        model.test_score_thresh = 0.0095  # an untrained model scores everything about .01
    with torch.no_grad():
        for a, b in zip(theirs(batch()), ours(batch()), strict=True):
            a, b = a["instances"], b["instances"]
            assert len(a) == len(b) > 0
            assert torch.equal(a.pred_boxes.tensor, b.pred_boxes.tensor)
            assert torch.equal(a.scores, b.scores) and torch.equal(a.pred_classes, b.pred_classes)


@pytest.mark.parametrize("cls_loss", [SigmoidFocalLoss(), SoftmaxCrossEntropyLoss()])
def test_an_untrained_detector_scores_objects_at_the_prior(cls_loss):
    torch.manual_seed(0)
    model = pluggable(cls_loss)
    logits, _ = model.head([torch.randn(1, 8, 4, 4)] * 5)
    logits = model._transpose_dense_predictions([logits, logits[:0]], [])[0][0]
    scores = cls_loss.scores(logits)
    assert scores.shape[-1] == 3
    objectness = scores.sum(-1) if isinstance(cls_loss, SoftmaxCrossEntropyLoss) else scores
    torch.testing.assert_close(objectness, torch.full_like(objectness, 0.01), rtol=0.05, atol=0)


def test_images_without_objects_train_as_background():
    model = pluggable()
    with EventStorage():
        losses = model([batch()[2]])
    assert losses["loss_box_reg"] == 0 and losses["loss_cls"] > 0
    sum(losses.values()).backward()
    assert model.head.cls_score.weight.grad.abs().sum() > 0


def test_boxes_without_area_are_left_out():
    """Upstream matches such a box to every anchor that does not touch it."""
    model, data = pluggable(), batch()[:1]
    reference = model.label_anchors(*_anchors_and_truth(model, data))[0][0]
    boxes, classes = data[0]["instances"].gt_boxes, data[0]["instances"].gt_classes
    instances = Instances((128, 128))
    instances.gt_boxes = Boxes.cat([boxes, Boxes(torch.tensor([[50.0, 50, 50, 80]]))])
    instances.gt_classes = torch.cat([classes, torch.tensor([2])])
    data[0]["instances"] = instances
    labels = model.label_anchors(*_anchors_and_truth(model, data))[0][0]
    assert torch.equal(labels, reference)


def _anchors_and_truth(model, data):
    features = [torch.zeros(1, 8, 128 // s, 128 // s) for s in STRIDES]
    return model.anchor_generator(features), [x["instances"] for x in data]


@pytest.mark.parametrize("selective", [False, True])
def test_a_training_image_without_annotations_is_named(selective):
    model, data = pluggable(), batch()
    model.selective_boxes = selective
    del data[1]["instances"]
    with EventStorage(), pytest.raises(ValueError, match="image 1 of a training batch has no 'instances'"):
        model(data)


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_refused(label):
    model, data = pluggable(), batch()
    data[0]["instances"].gt_classes[0] = label
    with EventStorage(), pytest.raises(ValueError, match=r"model.num_classes=3 allows 0 to 2"):
        model(data)


def test_the_loss_normalizer_is_saved_and_restored():
    model = pluggable()
    with EventStorage():
        model(batch())
    other = pluggable()
    other.load_state_dict(model.state_dict())
    assert float(other.loss_normalizer) == float(model.loss_normalizer) != 100


def _head(**changes):
    settings = {
        "input_shape": [ShapeSpec(channels=8)] * 5,
        "num_classes": 3,
        "num_anchors": 9,
        "cls_loss": SigmoidFocalLoss(),
        "conv_dims": [8],
    }
    return PluggableRetinaNetHead(**settings | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head_in_features": ["p3", "p9"]}, r"head_in_features names 'p9'.*'p3'"),
        (
            {"head_in_features": LEVELS[:4]},
            r"strides are \[8, 16, 32, 64, 128\].*\[8, 16, 32, 64\]",
        ),
        (
            {"anchor_generator": OctaveAnchorGenerator(strides=[4, 8, 16, 32, 64])},
            r"anchor_gen.*\[4",
        ),
        (
            {"anchor_generator": OctaveAnchorGenerator(strides=STRIDES, scales_per_octave=2)},
            r"head.num_anchors is 9, but .* has 6 anchors",
        ),
        ({"anchor_generator": ROTATED}, r"anchor_generator=RotatedAnchorGenerator makes anchors of 5 numbers, but"),
        ({"head": _head(num_classes=5)}, r"head predicts 5 logits per anchor.*needs 3"),
        (
            {"head": _head(), "cls_loss": SoftmaxCrossEntropyLoss()},
            r"head predicts 3 logits.*SoftmaxCrossEntropyLoss needs 4",
        ),
        ({"head": _head(input_shape=[ShapeSpec(channels=16)] * 5)}, r"cls_subnet takes 16.*\[8\]"),
        (
            {"head": _head(), "cls_loss": GIoULoss()},
            r"model.cls_loss is of class GIoULoss, not a ClassificationLoss: set model.cls_loss='\$\{losses.NAME\}'",
        ),
        (
            {"box_loss": SigmoidFocalLoss()},
            r"model.box_loss is of class SigmoidFocalLoss, not a BoxLoss: set model.box_loss='\$\{box_losses.NAME\}'",
        ),
        ({"pixel_mean": []}, r"model.pixel_mean and model.pixel_std must have one number per channel.*got \[\]"),
        ({"pixel_mean": [1.0, 2.0], "pixel_std": [1.0, 1.0, 1.0]}, r"one number per channel.*got \[1.0, 2.0\]"),
        ({"input_format": "RGBA"}, r"model.input_format=RGBA has 4 channels, so model.pixel_mean and"),
        ({"pixel_std": 57.0}, r"one number per channel.* and 57.0"),
        ({"pixel_std": [1.0, 0.0, 1.0]}, r"model.pixel_std positive ones, .* \[1.0, 0.0, 1.0\]"),
        ({"head_in_features": ["p3", "p4", "p4", "p5", "p6"]}, r"model.head_in_features names 'p4' twice"),
        ({"cls_loss_weight": -1.0}, r"model.cls_loss_weight must be 0 or more, got -1.0"),
        ({"test_score_thresh": math.nan}, r"model.test_score_thresh must be 1 or less, got nan"),
        ({"test_nms_thresh": -0.5}, r"model.test_nms_thresh must be in \[0, 1\], got -0.5"),
        ({"test_topk_candidates": -1}, r"model.test_topk_candidates must be 1 or more, got -1"),
        ({"max_detections_per_image": -1}, r"model.max_detections_per_image must be 1 or more, got -1"),
        ({"box2box_transform": Box2BoxTransform([1, 1])}, r"box2box_transform.weights must be 4 positive numbers"),
        ({"box2box_transform": Box2BoxTransform([1, 1, 0, 1])}, r"must be 4 positive numbers, got \[1, 1, 0, 1\]"),
    ],
)
def test_parts_that_do_not_fit_name_both_values(changes, message):
    with pytest.raises(ValueError, match=message):
        pluggable(**changes)


def test_one_number_normalizes_all_channels():
    assert pluggable(pixel_std=[2.0]).pixel_std.numel() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_shape": [ShapeSpec(channels=0)] * 5}, "model.backbone.out_channels must be 1 or more, got 0"),
        ({"conv_dims": [8, 0]}, "model.head.conv_dims must be 1 or more, got 8, 0"),
        ({"bbox_conv_dims": [-8]}, "model.head.bbox_conv_dims must be 1 or more, got -8"),
    ],
)
def test_a_head_without_channels_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _head(**changes)


def test_a_top_block_that_does_not_fit_names_both_values():
    net = backbone()
    net.top_block = LastLevelP6P7(320, 8)
    with pytest.raises(ValueError, match=r"top_block.in_channels is 320.*32"):
        pluggable(backbone=net)


@pytest.mark.parametrize(
    ("top_block", "message"),
    [
        (
            LastLevelP6P7(8, 8, "p6"),
            r"top_block.in_feature is 'p6', but the backbone only has \['p3', 'p4', 'p5', 'res3'",
        ),
        (LastLevelP6P7(8, 8, "p4"), r"'p4' with stride 16, but anchors .* have stride 64: set .* to p5 or res5, with"),
        (LastLevelP6P7(16, 8, "res3"), r"'res3' with stride 8, but anchors of the level that it halves have stride 64"),
    ],
)
def test_a_top_block_takes_a_feature_of_the_last_stride(top_block, message):
    """Detectron2's FPN names levels after their place, whatever their size."""
    net = backbone()
    net.top_block = top_block
    with pytest.raises(ValueError, match=message):
        pluggable(backbone=net)
