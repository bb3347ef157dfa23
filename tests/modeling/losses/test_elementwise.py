"""Every loss against its plain formula: `elementwise`, weights, ignored anchors, gradients by autograd."""

from dataclasses import replace

import pytest
import torch

from retina_plugin.modeling.losses import (
    AsymmetricFocalLoss,
    ClassificationLoss,
    DenseTargets,
    GHMCLoss,
    OHEMCrossEntropyLoss,
    PolyFocalLoss,
    SigmoidCrossEntropyLoss,
    SigmoidFocalLoss,
    SoftmaxFocalLoss,
)
from retina_plugin.registry import CLS_LOSS_REGISTRY

K, IMAGES, ANCHORS = 4, 3, 60
NAMES = [name for name, loss in CLS_LOSS_REGISTRY if loss.__module__.startswith("retina_plugin.")]
LOSSES = {name: CLS_LOSS_REGISTRY.get(name) for name in NAMES} | {
    "focal without alpha": lambda: SigmoidFocalLoss(None, 0.5),
    "focal with alpha per class": lambda: SigmoidFocalLoss([0.1, 0.5, 0.7, 0.9], 5.0),
    "smoothed focal": lambda: SigmoidFocalLoss(0.25, 2.0, label_smoothing=0.1),
    "balanced cross entropy": lambda: SigmoidCrossEntropyLoss(0.75),
    "poly focal": lambda: PolyFocalLoss(0.3, 1.5, epsilon=2.0),
    "asymmetric without margin": lambda: AsymmetricFocalLoss(1.0, 0.5, margin=0.0, alpha=0.4),
    "asymmetric without focus": lambda: AsymmetricFocalLoss(0.0, 0.0, margin=0.2),
    "softmax focal": lambda: SoftmaxFocalLoss(0.9, 0.5),
    "ghm of one batch": lambda: GHMCLoss(bins=7, momentum=0.0),
    "ohem": lambda: OHEMCrossEntropyLoss(8, 0.3),
    "ohem at one to three": lambda: OHEMCrossEntropyLoss(16, 0.5, one_to_three=True, alpha=0.3),
}


def batch(loss, dtype=torch.float64):
    """Logits and targets with anchors and without weights."""
    generator = torch.Generator().manual_seed(3)
    rows = IMAGES * ANCHORS
    logits = 4 * torch.randn(rows, loss.num_logits(K), generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, K + 1, (rows,), generator=generator)
    corner = 100 * torch.rand(ANCHORS, 2, generator=generator)
    anchors = torch.cat([corner, corner + 20 + 20 * torch.rand(ANCHORS, 2)], dim=1)
    return logits.to(dtype), DenseTargets(labels, anchors=anchors)


def weighted(targets):
    weights = torch.linspace(0, 3, len(targets.labels), dtype=torch.float64)
    return replace(targets, weights=weights)


def value_and_grad(loss, logits, targets):
    logits = logits.clone().requires_grad_()
    value = loss.dense_loss(logits, targets)
    return value.detach(), torch.autograd.grad(value, logits)[0]


@pytest.mark.parametrize("change", [lambda x: x, weighted], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", LOSSES)
def test_kernel_equals_the_plain_formula(name, change):
    loss = LOSSES[name]()
    logits, targets = batch(loss)
    targets = change(targets)
    value_and_grad(loss, logits.flip(0), targets)  # GHM starts with an earlier batch
    elements, gradient = loss.loss_and_gradient(logits, targets)
    actual = value_and_grad(loss, logits, targets)
    assert elements.shape == logits.shape and elements.dtype == torch.float64
    torch.testing.assert_close(actual, (elements.sum(), gradient), rtol=1e-12, atol=1e-13)
    assert (elements[targets.labels < 0] == 0).all() and (gradient[targets.labels < 0] == 0).all()
    plain = ClassificationLoss.weighted_sum(loss.eval(), logits, targets)
    assert plain.isfinite() and elements.count_nonzero() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_weights_multiply_the_loss_of_their_anchor(name):
    loss = LOSSES[name]().eval()
    if isinstance(loss, OHEMCrossEntropyLoss):
        loss.batch_size = IMAGES * ANCHORS  # every anchor trains: weights change the selection
        loss.nms_thresh, loss.one_to_three = None, False
    logits, targets = batch(loss)
    weights = weighted(targets).weights
    one, gradient = loss.loss_and_gradient(logits, targets)
    actual = loss.loss_and_gradient(logits, weighted(targets))
    expected = (one * weights[:, None], gradient * weights[:, None])
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_anchors_may_hold_anything(name):
    logits, targets = batch(LOSSES[name]())
    ignored = targets.labels < 0
    targets = weighted(targets)
    spoiled = logits.clone()
    spoiled[ignored] = float("nan")
    weights = targets.weights.masked_fill(ignored, float("inf"))
    for compute in (value_and_grad, ClassificationLoss.loss_and_gradient):
        expected = compute(LOSSES[name](), logits, targets)
        actual = compute(LOSSES[name](), spoiled, replace(targets, weights=weights))
        torch.testing.assert_close(actual, expected, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", LOSSES)
def test_formula_is_finite_for_extreme_logits(name, dtype):
    loss = LOSSES[name]()
    values = torch.tensor([0, 17, 40, 89, 104, 710, 1e4])
    values = torch.cat([values, -values]).repeat((K + 1) * loss.num_logits(K)).to(dtype)
    logits = values.reshape(-1, loss.num_logits(K))
    targets = DenseTargets(torch.arange(len(logits)) % (K + 1))
    elements, gradient = loss.loss_and_gradient(logits, targets)
    assert elements.isfinite().all() and gradient.isfinite().all()
    assert elements.dtype == gradient.dtype == torch.promote_types(dtype, torch.float32)


def test_formula_does_not_update_the_density_of_ghm():
    loss = GHMCLoss()
    loss.loss_and_gradient(*batch(loss))
    assert loss.mass == 0 and (loss.counts == 0).all()


def test_softmax_puts_the_loss_into_the_column_of_the_label():
    loss = SoftmaxFocalLoss()
    logits, targets = batch(loss)
    elements = loss.loss_and_gradient(logits, targets)[0]
    row, column = elements.nonzero(as_tuple=True)
    assert row.tolist() == (targets.labels >= 0).nonzero()[:, 0].tolist()
    assert column.tolist() == targets.labels[row].tolist()


def test_ohem_selects_by_the_weighted_loss():
    logits, labels = torch.tensor([[4.0], [3.0], [2.0], [1.0], [0.5]]), torch.full((5,), 1)
    targets = DenseTargets(labels, weights=torch.tensor([0.01, 1, 1, 1, 1]))
    assert OHEMCrossEntropyLoss(4, None).select(logits, targets).tolist() == [1, 2, 3, 4]
