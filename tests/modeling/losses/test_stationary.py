"""The constant score at which a loss is smallest, against closed forms and the gradient of real batches."""

import math

import pytest
import torch

from retina_plugin.modeling.losses import (
    ClassificationLoss,
    DenseTargets,
    GHMCLoss,
    OHEMCrossEntropyLoss,
    SigmoidCrossEntropyLoss,
    SigmoidFocalLoss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
    start_distance,
    stationary_prob,
)
from retina_plugin.registry import CLS_LOSS_REGISTRY

K = 3
COUPLED = {"GHMCLoss", "OHEMCrossEntropyLoss"}
SYNTHETIC, BCCD = 2.3e-4, 3.8e-3  # shares of foreground logits


def weighted(share, alpha):
    return alpha * share / (alpha * share + (1 - alpha) * (1 - share))


@pytest.mark.parametrize("share", [SYNTHETIC, BCCD, 0.05])
@pytest.mark.parametrize(
    "loss, closed_form",
    [
        (SigmoidCrossEntropyLoss(), lambda s: s),
        (SigmoidCrossEntropyLoss(0.75), lambda s: weighted(s, 0.75)),
        (SigmoidCrossEntropyLoss([0.75, 0.75, 0.75]), lambda s: weighted(s, 0.75)),
        (SoftmaxCrossEntropyLoss(), lambda s: K * s),
        (SoftmaxFocalLoss(alpha=0.25, gamma=0), lambda s: weighted(K * s, 0.25)),
    ],
)
def test_it_equals_the_closed_form_of_cross_entropy(loss, closed_form, share):
    assert stationary_prob(loss, K, share) == pytest.approx(closed_form(share), rel=2e-6)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_the_derivative_of_focal_loss_vanishes(gamma):
    alpha, s = 0.25, SYNTHETIC
    p = stationary_prob(SigmoidFocalLoss(alpha, gamma), K, s)
    # d/dx of -(1-p)^g log p and of -p^g log(1-p), x the logit (appendix B of the paper)
    positive = (1 - p) ** gamma * (gamma * p * math.log(p) + p - 1)
    negative = p**gamma * (p - gamma * (1 - p) * math.log(1 - p))
    terms = alpha * s * positive, (1 - alpha) * (1 - s) * negative
    assert sum(terms) == pytest.approx(0, abs=1e-5 * abs(terms[0]))


@pytest.mark.parametrize("loss", [SigmoidFocalLoss(), SoftmaxFocalLoss(), SigmoidCrossEntropyLoss(0.75)])
def test_the_gradient_of_a_batch_in_the_bias_vanishes(loss):
    labels = torch.cat([torch.full((2990,), K), torch.arange(K).repeat(4), torch.tensor([-1] * 5)])
    share = 12 / (K * 3002)

    def gradient(prior_prob):
        bias = loss.prior_bias(K, prior_prob).double().requires_grad_()
        loss.dense_loss(bias.expand(len(labels), -1), DenseTargets(labels)).backward()
        return bias.grad

    found, reference = gradient(stationary_prob(loss, K, share)), gradient(0.01)
    assert found.abs().max() < 1e-4 * reference.abs().max()


@pytest.mark.parametrize(
    "share, distances",
    [
        (SYNTHETIC, {"focal": -1.1, "ce": 3.8, "balanced": 2.7}),
        (BCCD, {"focal": -2.1, "ce": 1.0, "balanced": -0.1}),
    ],
)
def test_the_usual_prior_is_as_far_from_it_as_was_measured(share, distances):
    losses = {
        "focal": SigmoidFocalLoss(0.25, 2.0),
        "ce": SigmoidCrossEntropyLoss(),
        "balanced": SigmoidCrossEntropyLoss(0.75),
    }
    for name, expected in distances.items():
        assert start_distance(0.01, stationary_prob(losses[name], K, share)) == pytest.approx(expected, abs=0.05)


def test_no_constant_score_of_a_grid_has_a_smaller_loss():
    labels = torch.tensor([0, 1, 2] + [K] * 400)
    for name in ("SigmoidFocalStarLoss", "PolyFocalLoss", "AsymmetricFocalLoss"):
        loss = CLS_LOSS_REGISTRY.get(name)()

        def of(prob, loss=loss):
            logits = loss.prior_bias(K, prob).double().expand(len(labels), -1)
            return loss.elementwise(logits, DenseTargets(labels)).sum().item()

        lowest = of(stationary_prob(loss, K, 3 / (K * 403)))
        assert lowest <= min(of(1 / (1 + math.exp(x / 10))) for x in range(-100, 100)) * (1 + 1e-9), name


@pytest.mark.parametrize("loss", [GHMCLoss(), OHEMCrossEntropyLoss()])
def test_a_loss_that_couples_anchors_is_refused(loss):
    with pytest.raises(ValueError, match=f"{type(loss).__name__} weights every anchor.*set model.head.prior_prob to a"):
        stationary_prob(loss, K, BCCD)


@pytest.mark.parametrize("name", [name for name, _ in CLS_LOSS_REGISTRY])
def test_a_loss_says_whether_it_couples_anchors(name):
    loss = CLS_LOSS_REGISTRY.get(name)().eval()
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(600, loss.num_logits(K), generator=generator, dtype=torch.float64)
    labels = torch.randint(0, K + 1, (600,), generator=generator)
    whole = loss.elementwise(logits, DenseTargets(labels))[:4]
    alone = torch.cat([loss.elementwise(logits[i : i + 1], DenseTargets(labels[i : i + 1])) for i in range(4)])
    assert loss.couples_anchors == (not torch.allclose(whole, alone)) == (name in COUPLED)


class OnlySummed(ClassificationLoss):
    def forward(self, logits, labels):
        return logits.sum()


@pytest.mark.parametrize(
    "loss, share, message",
    [
        (OnlySummed(), BCCD, "OnlySummed does not define elementwise"),
        (SigmoidCrossEntropyLoss(1.0), BCCD, "smallest at a score of 1"),
        (SigmoidCrossEntropyLoss(0.0), BCCD, "smallest at a score of 0"),
        (SigmoidFocalLoss(), 0.0, "between 0 and 1 / 3 classes, got 0"),
        (SigmoidFocalLoss(), 0.34, "between 0 and 1 / 3 classes"),
    ],
)
def test_what_has_no_such_score_is_refused(loss, share, message):
    with pytest.raises(ValueError, match=message):
        stationary_prob(loss, K, share)
