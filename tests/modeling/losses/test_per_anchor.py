"""The loss and gradient of every anchor, beside the loss that trains and its autograd."""

import pytest
import torch
from test_contract import NAMES, K, batch, make

from retina_plugin.modeling.losses import ClassificationLoss, DenseTargets, anchor_sums, per_anchor

IMAGES, ANCHORS = 3, 40


def scene(loss):
    """Logits and targets of three images, some anchors ignored and all weighted."""
    logits, labels = batch(loss, rows=IMAGES * ANCHORS)
    corner = 20 * torch.rand(ANCHORS, 2, generator=torch.Generator().manual_seed(1))
    weights = torch.linspace(0, 2, len(labels))
    return logits, DenseTargets(labels, weights, anchors=torch.cat([corner, corner + 9], dim=1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunk", [1 << 18, 7 * K, 1])
def test_they_are_those_of_autograd_of_the_loss_that_trains(name, chunk, monkeypatch):
    monkeypatch.setattr(per_anchor, "_CPU_CHUNK", chunk)
    logits, targets = scene(loss := make(name))
    value, slope = anchor_sums(loss, logits, targets)
    logits.requires_grad_()
    total = loss.dense_loss(logits, targets)
    expected = torch.autograd.grad(total, logits)[0].abs().sum(1)
    assert value.sum().item() == pytest.approx(total.item(), rel=1e-6)
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=1e-6 * expected.max().item())
    assert (value[targets.labels < 0] == 0).all() and (slope[targets.labels < 0] == 0).all()


class ByArea(ClassificationLoss):
    """The logit times the area of the anchor: needs the anchors of the rows."""

    def elementwise(self, logits, targets):
        size = targets.anchors[:, 2:] - targets.anchors[:, :2]
        return logits * size.prod(1).repeat(len(logits) // len(size))[:, None]


@pytest.mark.parametrize("chunk", [1 << 18, 7 * K])
def test_parts_of_an_image_have_their_own_anchors(chunk, monkeypatch):
    monkeypatch.setattr(per_anchor, "_CPU_CHUNK", chunk)
    logits, targets = scene(loss := ByArea())
    value, slope = anchor_sums(loss, logits, targets)
    assert value.sum().item() == pytest.approx(loss.dense_loss(logits, targets).item(), rel=1e-5)
    valid = targets.labels >= 0
    torch.testing.assert_close(slope[valid], (81 * K * targets.weights)[valid])
