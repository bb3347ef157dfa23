"""What the detector calls, for losses of the package and for a user's own."""

import pytest
import torch

from retina_plugin.modeling.losses import (
    ClassificationLoss,
    DenseTargets,
    OHEMCrossEntropyLoss,
    SigmoidFocalLoss,
    SoftmaxCrossEntropyLoss,
)
from retina_plugin.registry import CLS_LOSS_REGISTRY

LABELS = torch.tensor([0, 2, -1, 1, 2, 2])
LOGITS = torch.linspace(-2, 2, 12, dtype=torch.float64).view(6, 2)


class Squared(ClassificationLoss):
    """Only the summed loss."""

    def forward(self, logits, labels):
        target = torch.nn.functional.one_hot(labels.clamp(min=0), logits.shape[1] + 1)[:, :-1]
        return ((logits.sigmoid() - target) ** 2)[labels >= 0].sum()


class Doubled(SigmoidFocalLoss):
    """Changes a loss of the package through forward alone."""

    def forward(self, logits, labels):
        return 2 * super().forward(logits, labels)


class SoftLabels(ClassificationLoss):
    """Only the formula, with soft targets."""

    uses_quality = True

    def elementwise(self, logits, targets):
        present = targets.labels[:, None] == torch.arange(logits.shape[1])
        quality = torch.ones(len(logits)) if targets.quality is None else targets.quality
        return (logits.sigmoid() - present * quality[:, None]) ** 2


class CubedSoftmax(SoftmaxCrossEntropyLoss):
    """Another formula for a loss that has a closed form."""

    def elementwise(self, logits, targets):
        return super().elementwise(logits, targets) ** 3


class Cubed:
    def elementwise(self, logits, targets):
        return super().elementwise(logits, targets) ** 3


class CubedFocal(Cubed, SigmoidFocalLoss):
    """The same from a class that is no loss itself."""


def test_forward_alone_is_enough_for_the_detector():
    loss = Squared()
    expected = loss(LOGITS, LABELS)
    assert loss.dense_loss(LOGITS, DenseTargets(LABELS, anchors=torch.ones(3, 4))) == expected
    assert Doubled().dense_loss(LOGITS, DenseTargets(LABELS)) == 2 * SigmoidFocalLoss()(LOGITS, LABELS)


@pytest.mark.parametrize("make", [Squared, Doubled])
def test_forward_alone_does_not_ignore_weights_or_claim_a_formula(make):
    targets = DenseTargets(LABELS, weights=torch.ones(6))
    with pytest.raises(ValueError, match=f"{make.__name__} overrides forward.*elementwise"):
        make().dense_loss(LOGITS, targets)
    with pytest.raises(NotImplementedError, match=f"{make.__name__} must define elementwise"):
        make().loss_and_gradient(LOGITS, DenseTargets(LABELS))


def test_the_formula_alone_gives_everything():
    loss, weights = SoftLabels(), torch.arange(6.0)
    logits = LOGITS.clone().requires_grad_()
    torch.testing.assert_close(loss(LOGITS, LABELS), Squared()(LOGITS, LABELS))
    targets = DenseTargets(LABELS, weights, quality=torch.linspace(0, 1, 6))
    value = loss.dense_loss(logits, targets)
    elements, gradient = loss.loss_and_gradient(LOGITS, targets)
    by_hand = loss.elementwise(LOGITS, targets)[LABELS >= 0] * weights[LABELS >= 0, None]
    torch.testing.assert_close(elements[LABELS >= 0], by_hand)
    torch.testing.assert_close(value, by_hand.sum())
    torch.testing.assert_close(torch.autograd.grad(value, logits)[0], gradient)
    assert value != loss.dense_loss(LOGITS, DenseTargets(LABELS, weights))


@pytest.mark.parametrize(("make", "base"), [(CubedSoftmax, SoftmaxCrossEntropyLoss), (CubedFocal, SigmoidFocalLoss)])
def test_a_formula_replaces_the_closed_form_that_it_inherits(make, base):
    loss = make()
    logits, targets = torch.randn(6, loss.num_logits(2), requires_grad=True), DenseTargets(LABELS)
    elements, gradient = loss.loss_and_gradient(logits, targets)
    torch.testing.assert_close(elements, base().loss_and_gradient(logits, targets)[0] ** 3)
    value = loss.dense_loss(logits, targets)
    torch.testing.assert_close(value, elements.sum())
    torch.testing.assert_close(torch.autograd.grad(value, logits)[0], gradient)


def test_losses_of_the_package_keep_their_closed_forms():
    for _, loss in CLS_LOSS_REGISTRY:
        if loss.__module__.startswith("retina_plugin."):
            assert loss.weighted_sum is not ClassificationLoss.weighted_sum, loss


@pytest.mark.parametrize("name", [name for name, _ in CLS_LOSS_REGISTRY])
def test_a_quality_that_is_not_used_is_refused(name):
    loss = CLS_LOSS_REGISTRY.get(name)()
    targets = DenseTargets(torch.zeros(3, dtype=torch.long), quality=torch.ones(3))
    for call in (loss.dense_loss, loss.loss_and_gradient):
        with pytest.raises(ValueError, match=f"{name} cannot use targets.quality"):
            call(torch.zeros(3, loss.num_logits(2)), targets)


def test_weights_get_no_gradient():
    weights = torch.ones(6, requires_grad=True)
    for loss in (SigmoidFocalLoss(), SoftLabels()):
        value = loss.dense_loss(LOGITS.clone().requires_grad_(), DenseTargets(LABELS, weights))
        value.backward()
        assert weights.grad is None


def test_logits_of_other_anchors_are_refused():
    with pytest.raises(ValueError, match="5 rows of logits do not fit 6 targets.labels"):
        SigmoidFocalLoss().dense_loss(LOGITS[:5], DenseTargets(LABELS))


@pytest.mark.parametrize(
    "targets, message",
    [
        ({"labels": torch.zeros(2, 3, dtype=torch.long)}, r"labels must be integers .*\(2, 3\)"),
        ({"labels": torch.zeros(2)}, r"labels must be integers .*float32"),
        ({"labels": LABELS, "weights": torch.ones(5)}, r"weights .*\(5,\) for labels \(6,\)"),
        ({"labels": LABELS, "quality": torch.ones(6, 1)}, r"quality .*\(6, 1\) for labels \(6,\)"),
        ({"labels": LABELS, "anchors": torch.ones(6)}, r"anchors must be \(R, 4\), got \(6,\)"),
        ({"labels": LABELS, "anchors": torch.ones(4, 4)}, "anchors has 4 rows.* multiple of 4, got 6"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets, message):
    with pytest.raises(ValueError, match=rf"targets\.{message}"):
        DenseTargets(**targets)


class Scorer(torch.nn.Module):
    """A detector in short: scores in evaluation, a loss in training."""

    def __init__(self, loss):
        super().__init__()
        self.cls_loss = loss

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.training:
            return self.cls_loss(logits, labels)
        return self.cls_loss.scores(logits)


CLASSES = [loss for _, loss in CLS_LOSS_REGISTRY] + [Squared, Doubled, SoftLabels]
FACTORIES = [*CLASSES, lambda: SigmoidFocalLoss([0.3, 0.4]), lambda: OHEMCrossEntropyLoss(8, None)]


@pytest.mark.parametrize("make", FACTORIES)
def test_torchscript_compiles_the_scores_of_a_loss(make):
    loss = make()
    model = Scorer(loss)
    logits = torch.randn(5, loss.num_logits(2))
    scripted = torch.jit.script(model.eval())
    labels = torch.zeros(5, dtype=torch.long)
    torch.testing.assert_close(scripted(logits, labels), loss.scores(logits), rtol=0, atol=0)
