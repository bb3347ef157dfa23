"""Box losses where a prediction is not finite."""

import math

import pytest
import torch
from detectron2.layers import ciou_loss, diou_loss
from detectron2.modeling.box_regression import Box2BoxTransform
from fvcore.nn import giou_loss

from retina_plugin.modeling.losses import CIoULoss, DIoULoss, GIoULoss, SmoothL1Loss

TRANSFORM = Box2BoxTransform((1.0, 1.0, 1.0, 1.0))
ANCHORS = torch.tensor([[0.0, 0, 10, 10], [3, 3, 9, 9], [50, 60, 90, 80]])
GT_BOXES = ANCHORS + torch.tensor([1.0, -1, 2, 3])


def deltas():
    return (torch.randn(3, 4, generator=torch.Generator().manual_seed(0)) / 2).requires_grad_()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("make", [SmoothL1Loss, GIoULoss, DIoULoss, CIoULoss])
def test_a_prediction_that_is_not_finite_spoils_the_loss_of_its_anchor_alone(make, bad):
    spoiled = deltas().detach()
    spoiled[1, 0] = bad
    expected, found = (make().elementwise(x, ANCHORS, GT_BOXES, TRANSFORM) for x in (deltas(), spoiled))
    assert torch.equal(found[[0, 2]], expected[[0, 2]])
    assert not found[1].isfinite().all() and expected.isfinite().all()
    assert not make()(spoiled, ANCHORS, GT_BOXES, TRANSFORM).isfinite()


@pytest.mark.parametrize(("make", "theirs"), [(GIoULoss, giou_loss), (DIoULoss, diou_loss), (CIoULoss, ciou_loss)])
def test_losses_and_gradients_are_the_bits_of_upstream(make, theirs):
    for rows in (3, 0):
        x, anchors, gt_boxes = deltas()[:rows], ANCHORS[:rows], GT_BOXES[:rows]
        ours = make()(x, anchors, gt_boxes, TRANSFORM)
        expected = theirs(TRANSFORM.apply_deltas(x, anchors), gt_boxes).sum()
        assert torch.equal(ours, expected)
        assert torch.equal(torch.autograd.grad(ours, x)[0], torch.autograd.grad(expected, x)[0])


@pytest.mark.parametrize("beta", [-1.0, math.nan, math.inf, None])
def test_a_wrong_beta_is_named_by_its_key(beta):
    with pytest.raises(ValueError, match=rf"model\.box_loss\.beta must be a finite number, 0 or more, got {beta}"):
        SmoothL1Loss(beta)
