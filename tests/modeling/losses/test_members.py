"""Behaviour of single losses."""

import math

import pytest
import torch
from detectron2.config import get_cfg
from omegaconf import OmegaConf

from retina_plugin.config import add_retina_plugin_config, get_config
from retina_plugin.modeling.losses import (
    AsymmetricFocalLoss,
    DenseTargets,
    GHMCLoss,
    OHEMCrossEntropyLoss,
    PolyFocalLoss,
    SigmoidCrossEntropyLoss,
    SigmoidFocalLoss,
    SigmoidFocalStarLoss,
    SigmoidHingeLoss,
    SoftmaxFocalLoss,
    build_cls_loss,
    effective_number_alpha,
)
from retina_plugin.modeling.losses.kernels.harmonized import error_histogram
from retina_plugin.modeling.losses.one_vs_all import OneVsAllLoss
from retina_plugin.registry import CLS_LOSS_REGISTRY


def boxes_at(*corners):
    """Boxes of 10 x 10 pixels."""
    x = torch.tensor(corners, dtype=torch.float32)
    return torch.stack([x, x * 0, x + 10, x * 0 + 10], dim=1)


def test_ohem_nms_drops_anchors_that_overlap_one_with_a_larger_loss():
    anchors = boxes_at(0, 1, 100, 101, 200)
    logits = torch.tensor([[3.0], [4.0], [2.0], [1.0], [-5.0]])
    labels = torch.full((5,), 1)  # background of one class
    selected = OHEMCrossEntropyLoss(4, nms_thresh=0.5).select(logits, DenseTargets(labels, anchors=anchors))
    assert selected.tolist() == [1, 2, 4]
    selected = OHEMCrossEntropyLoss(4, nms_thresh=None).select(logits, DenseTargets(labels, anchors=anchors))
    assert selected.tolist() == [1, 0, 2, 3]


def test_ohem_selects_anchors_of_every_image():
    anchors = boxes_at(*range(0, 1000, 50))
    logits = torch.cat([torch.linspace(0, 1, 20), torch.linspace(9, 8, 20)])[:, None]
    loss = OHEMCrossEntropyLoss(4)
    targets = DenseTargets(torch.full((40,), 1), anchors=anchors)
    selected = loss.select(logits, targets)
    assert selected.tolist() == [19, 18, 17, 16, 20, 21, 22, 23]
    expected = SigmoidCrossEntropyLoss()(logits[selected], torch.full((8,), 1))
    torch.testing.assert_close(loss.dense_loss(logits, targets), expected)


def test_ohem_searches_on_until_enough_anchors_are_kept():
    # the 64 anchors with the largest loss lie on one spot: NMS keeps one of them
    anchors = torch.cat([boxes_at(0).repeat(64, 1), boxes_at(*range(100, 2000, 50))])
    logits = torch.linspace(5, -5, len(anchors))[:, None]
    targets = DenseTargets(torch.full((len(anchors),), 1), anchors=anchors)
    selected = OHEMCrossEntropyLoss(4, 0.5).select(logits, targets)
    assert selected.tolist() == [0, 64, 65, 66]


def test_ohem_one_to_three_finds_easy_foreground():
    anchors = boxes_at(*range(0, 20000, 100))
    labels = torch.full((200,), 1)
    labels[-2:] = 0
    logits = torch.linspace(5, 0, 200)[:, None]
    logits[-2:] = 6  # easy, and the last in the order
    loss = OHEMCrossEntropyLoss(8, one_to_three=True)
    assert loss.select(logits, DenseTargets(labels, anchors=anchors)).tolist() == [
        198,
        199,
        0,
        1,
        2,
        3,
        4,
        5,
    ]
    labels[-1] = 1
    assert loss.select(logits, DenseTargets(labels, anchors=anchors)).tolist() == [198, 199, 0, 1]
    labels[-2:] = -1
    assert loss.select(logits, DenseTargets(labels, anchors=anchors)).tolist() == [0, 1, 2]


def test_ohem_trains_no_easy_anchors():
    logits = torch.linspace(-5, 5, 100)[:, None].requires_grad_()
    loss = OHEMCrossEntropyLoss(8, None)(logits, torch.full((100,), 1))
    grad = torch.autograd.grad(loss, logits)[0]
    assert (grad[:-8] == 0).all() and (grad[-8:] > 0).all()


@pytest.mark.parametrize("one_to_three", [False, True])
def test_ohem_of_a_classifier_that_diverged_is_not_a_number(one_to_three):
    anchors = boxes_at(*range(0, 1000, 50))
    logits = torch.full((40, 1), 1.0)
    logits[25] = float("nan")
    loss = OHEMCrossEntropyLoss(4, one_to_three=one_to_three)
    targets = DenseTargets(torch.full((40,), 1), anchors=anchors)
    assert 25 in loss.select(logits, targets)
    assert loss.dense_loss(logits, targets).isnan()


def test_ghm_counts_errors_of_rows_that_are_not_ignored():
    logits = torch.tensor([[-9.0, 9.0], [0.1, -9.0], [0.0, 0.0]])
    labels = torch.tensor([1, 2, -1])  # errors 0 and 0; .525 and 0
    assert error_histogram(logits, labels, 4).tolist() == [3, 0, 1, 0]


def test_ghm_gives_every_region_the_same_share():
    logits = torch.cat([torch.full((900, 1), -4.0), torch.full((10, 1), 2.0)])
    labels = torch.full((910,), 1)
    loss = GHMCLoss(bins=10, momentum=0.0)
    ce = torch.nn.functional.softplus(torch.tensor([-4.0, 2.0]))
    torch.testing.assert_close(loss(logits, labels), ce.sum() / 10)


def test_ghm_average_is_unbiased_at_the_start_and_not_updated_in_evaluation():
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 3), torch.randint(0, 4, (50,))
    loss = GHMCLoss(momentum=0.75)
    torch.testing.assert_close(loss(logits, labels), GHMCLoss(momentum=0.0)(logits, labels))
    state = {k: v.clone() for k, v in loss.state_dict().items()}
    loss.eval()(logits - 1, labels)
    torch.testing.assert_close(loss.state_dict(), state, rtol=0, atol=0)
    loss.train()(logits - 1, labels)
    assert not torch.equal(loss.counts, state["counts"]) and loss.mass == 0.4375


def crisp(u, with_slope):
    """A kernel without settings: cross entropy."""
    return torch.nn.functional.softplus(u), torch.sigmoid(u) if with_slope else None


def test_a_kernel_is_any_callable():
    loss = OneVsAllLoss(None, crisp)
    logits, labels = torch.randn(20, 3), torch.randint(-1, 4, (20,))
    torch.testing.assert_close(loss(logits, labels), SigmoidCrossEntropyLoss()(logits, labels))
    assert str(loss) == "OneVsAllLoss(alpha=None)"


# a meta tensor stands for one on a GPU
@pytest.mark.parametrize("make", [lambda: SigmoidFocalLoss([0.1, 0.2, 0.3]), GHMCLoss])
def test_logits_may_be_on_another_device_than_the_loss(make):
    logits, labels = torch.randn(20, 3), torch.randint(0, 4, (20,))
    value = make().eval()(logits.to("meta"), labels.to("meta"))
    assert value.is_meta and value.shape == ()


def test_effective_numbers_weigh_rare_classes_more():
    assert effective_number_alpha([7, 7, 7], 0.99, 0.25) == pytest.approx([0.25] * 3)
    assert effective_number_alpha([1, 10, 1000], 0.0, 0.25) == pytest.approx([0.25] * 3)
    rare, common = effective_number_alpha([10, 1000], 0.999, 0.25)
    odds = (rare / (1 - rare)) / (common / (1 - common))
    assert odds == pytest.approx((1 - 0.999**1000) / (1 - 0.999**10))


def test_weights_per_class_must_cover_every_class():
    loss = SigmoidFocalLoss(OmegaConf.create([0.25, 0.5]))
    assert loss.alpha == (0.25, 0.5) and loss.num_logits(2) == 2
    with pytest.raises(ValueError, match="model.cls_loss.alpha has 2 .* model.num_classes is 3"):
        loss.num_logits(3)


@pytest.mark.parametrize(
    "make, key",
    [
        (lambda: SigmoidFocalLoss(1.5), "alpha"),
        (lambda: SigmoidFocalLoss([0.5, -1]), "alpha"),
        (lambda: SigmoidFocalLoss(["a", 0.5]), "alpha"),
        (lambda: SigmoidFocalLoss(gamma=-1), "gamma"),
        (lambda: SigmoidFocalLoss(gamma=None), "gamma"),
        (lambda: SigmoidFocalLoss(gamma=math.inf), "gamma"),
        (lambda: SigmoidFocalStarLoss(beta=math.nan), "beta"),
        (lambda: SigmoidFocalLoss(label_smoothing=1), "label_smoothing"),
        (lambda: SigmoidFocalStarLoss(gamma=0), "gamma"),
        (lambda: PolyFocalLoss(epsilon=-2), "epsilon"),
        (lambda: AsymmetricFocalLoss(margin=1), "margin"),
        (lambda: SigmoidHingeLoss(margin=0), "margin"),
        (lambda: SoftmaxFocalLoss(alpha=[0.1, 0.2]), "alpha"),
        (lambda: SoftmaxFocalLoss(gamma=-1), "gamma"),
        (lambda: OHEMCrossEntropyLoss(batch_size=0), "batch_size"),
        (lambda: OHEMCrossEntropyLoss(nms_thresh=2), "nms_thresh"),
        (lambda: GHMCLoss(bins=0), "bins"),
        (lambda: GHMCLoss(momentum=1), "momentum"),
        (lambda: effective_number_alpha([0, 1]), "class_counts"),
        (lambda: effective_number_alpha([1], beta=1), "beta"),
        (lambda: effective_number_alpha([1], alpha=1), "alpha"),
    ],
)
def test_wrong_settings_name_value_and_key(make, key):
    with pytest.raises(ValueError, match=rf"model\.cls_loss\.(alpha\.)?{key} must be .*, got .+"):
        make()


@pytest.mark.parametrize("make", [SigmoidFocalLoss, SoftmaxFocalLoss])
def test_a_loss_needs_a_class(make):
    with pytest.raises(ValueError, match=r"model\.num_classes must be 1 or more, got 0"):
        make().num_logits(0)


@pytest.mark.parametrize("name", [name for name, _ in CLS_LOSS_REGISTRY])
def test_every_loss_comes_from_yacs(name):
    cfg = get_cfg()
    add_retina_plugin_config(cfg)
    cfg.MODEL.RETINANET.CLS_LOSS = name
    assert type(build_cls_loss(cfg)).__name__ == name


def test_yacs_arguments_reach_the_loss():
    cfg = get_cfg()
    add_retina_plugin_config(cfg)
    cfg.MODEL.RETINANET.CLS_LOSS = "SigmoidFocalLoss"
    cfg.MODEL.RETINANET.FOCAL_LOSS_GAMMA = 1.5
    cfg.MODEL.RETINANET.CLS_LOSS_ARGS.alpha = [0.1, 0.2]
    loss = build_cls_loss(cfg)
    assert loss.gamma == 1.5 and loss.alpha == (0.1, 0.2)


def test_every_loss_has_a_line_in_the_configs():
    losses = get_config("quick/retinanet_tiny_synthetic.py").losses
    targets = {str(node["_target_"]).rsplit(".", 1)[-1].rstrip("'>") for node in losses.values()}
    ours = [name for name, loss in CLS_LOSS_REGISTRY if loss.__module__.startswith("retina_plugin.")]
    assert targets == set(ours)
