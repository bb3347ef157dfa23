"""Values and gradients compared with the paper, arbitrary precision, fvcore, torchvision and torch."""

import math

import mpmath
import pytest
import torch
from fvcore.nn import sigmoid_focal_loss as fvcore_focal
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss as torchvision_focal

from retina_plugin.modeling.losses import (
    AsymmetricFocalLoss,
    PolyFocalLoss,
    SigmoidCrossEntropyLoss,
    SigmoidFocalLoss,
    SigmoidFocalStarLoss,
    SigmoidHingeLoss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
)

GRID = [*range(-120, 121, 8), -17.5, -1.5, -0.1, 0.1, 1.5, 17.5]
GAMMAS = [0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
PRESENT, ABSENT = 0, 1


def element_by_element(loss, logits, label):
    """Value and gradient at each of `logits`, the only class being present or absent."""
    logits = torch.as_tensor(logits).requires_grad_()
    labels = torch.tensor([label])
    values = torch.stack([loss(x[None, None], labels) for x in logits])
    return values.detach(), torch.autograd.grad(values.sum(), logits)[0]


def exact(formula, label):
    """Value and gradient of `formula(x_t)` in 60 digits on the grid."""
    y = 1 if label == PRESENT else -1
    with mpmath.workdps(60):
        values = [float(formula(mpmath.mpf(y * x))) for x in GRID]
        slopes = [float(y * mpmath.diff(formula, mpmath.mpf(y * x))) for x in GRID]
    return torch.tensor(values, dtype=torch.float64), torch.tensor(slopes, dtype=torch.float64)


def mp_p_t(x_t):
    return 1 / (1 + mpmath.exp(-x_t))


def mp_focal(gamma):
    # 1 - p_t is written as sigmoid(-x_t) to keep digits
    return lambda x_t: mp_p_t(-x_t) ** mpmath.mpf(gamma) * mpmath.log1p(mpmath.exp(-x_t))


FORMULAS = {
    **{f"focal {g}": (SigmoidFocalLoss(None, g), mp_focal(g)) for g in GAMMAS},
    "smoothing": (
        SigmoidFocalLoss(None, 2.0, label_smoothing=0.2),
        lambda x: mp_p_t(-x) ** 2 * (mpmath.log1p(mpmath.exp(-x)) + mpmath.mpf(0.1) * x),
    ),
    "star": (
        SigmoidFocalStarLoss(None, gamma=2.0, beta=1.0),
        lambda x: mpmath.log1p(mpmath.exp(-(2 * x + 1))) / 2,
    ),
    "poly": (
        PolyFocalLoss(None, gamma=2.0, epsilon=-0.5),
        lambda x: mp_focal(2)(x) - mp_p_t(-x) ** 3 / 2,
    ),
}


@pytest.mark.parametrize("label", [PRESENT, ABSENT])
@pytest.mark.parametrize("name", FORMULAS)
def test_arbitrary_precision(name, label):
    loss, formula = FORMULAS[name]
    grid = torch.tensor(GRID, dtype=torch.float64)
    actual, expected = element_by_element(loss, grid, label), exact(formula, label)
    torch.testing.assert_close(actual, expected, rtol=1e-11, atol=0)


@pytest.mark.parametrize("label", [PRESENT, ABSENT])
@pytest.mark.parametrize("name", FORMULAS)
def test_float32_keeps_six_digits(name, label):
    loss = FORMULAS[name][0]
    grid = torch.tensor(GRID, dtype=torch.float64)
    expected = [x.float() for x in element_by_element(loss, grid, label)]
    actual = element_by_element(loss, grid.float(), label)
    torch.testing.assert_close(list(actual), expected, rtol=2e-6, atol=1e-30)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("y", [1, -1])
def test_derivatives_of_the_paper(gamma, y):
    x = torch.linspace(-6, 6, 25, dtype=torch.float64)
    p_t = torch.sigmoid(y * x)
    label = PRESENT if y == 1 else ABSENT
    focal = y * (1 - p_t) ** gamma * (gamma * p_t * p_t.log() + p_t - 1)
    grad = element_by_element(SigmoidFocalLoss(None, gamma), x, label)[1]
    torch.testing.assert_close(grad, focal)
    if gamma > 0:
        star = y * (torch.sigmoid(gamma * y * x + 1.5) - 1)
        grad = element_by_element(SigmoidFocalStarLoss(None, gamma, 1.5), x, label)[1]
        torch.testing.assert_close(grad, star)


def test_values_are_natural_logarithms():
    logit = torch.tensor([math.log(9)], dtype=torch.float64)  # p = .9
    ce = element_by_element(SigmoidCrossEntropyLoss(None), logit, PRESENT)[0]
    focal = element_by_element(SigmoidFocalLoss(None, 2.0), logit, PRESENT)[0]
    assert ce.item() == pytest.approx(0.105361, abs=5e-7)
    assert focal.item() == pytest.approx(0.00105361, abs=5e-9)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("alpha", [0.25, 0.9, None])
def test_fvcore_and_torchvision(gamma, alpha):
    torch.manual_seed(0)
    logits, labels = 3 * torch.randn(300, 8), torch.randint(-1, 9, (300,))
    value, grad = differentiate(SigmoidFocalLoss(alpha, gamma), logits, labels)
    # torchvision in float64 is exact; fvcore computes in float32 always, and errs by 3e-6 on elements at gamma 5
    expected, expected_grad = library_focal(torchvision_focal, logits.double(), labels, alpha, gamma)
    torch.testing.assert_close(value, expected.float(), rtol=1e-6, atol=0)
    torch.testing.assert_close(grad, expected_grad.float(), rtol=1e-6, atol=1e-7)
    expected, expected_grad = library_focal(fvcore_focal, logits, labels, alpha, gamma)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
    assert (grad - expected_grad).norm() <= 1e-6 * expected_grad.norm()


def differentiate(loss, logits, labels):
    logits = logits.clone().requires_grad_()
    value = loss(logits, labels)
    return value.detach(), torch.autograd.grad(value, logits)[0]


def library_focal(function, logits, labels, alpha, gamma):
    def loss(logits, labels):
        targets = F.one_hot(labels[labels >= 0], 9)[:, :8].to(logits.dtype)
        weight = -1 if alpha is None else alpha
        return function(logits[labels >= 0], targets, alpha=weight, gamma=gamma, reduction="sum")

    return differentiate(loss, logits, labels)


def test_libraries_fail_where_we_do_not():
    logits = torch.tensor([[40.0]], requires_grad=True)
    fvcore_focal(logits, torch.ones(1, 1), gamma=0.5, reduction="sum").backward()
    assert not logits.grad.isfinite().all()
    assert element_by_element(SigmoidFocalLoss(None, 0.5), [40.0], PRESENT)[1].isfinite().all()


def test_alpha_per_class_is_alpha_of_the_class():
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 3, dtype=torch.float64), torch.randint(-1, 4, (50,))
    vector = [0.1, 0.5, 0.9]
    actual = SigmoidFocalLoss(vector, 2.0)(logits, labels)
    columns = [torch.where(labels == k, 0, torch.where(labels < 0, -1, 1)) for k in range(3)]
    expected = sum(SigmoidFocalLoss(alpha, 2.0)(logits[:, k : k + 1], columns[k]) for k, alpha in enumerate(vector))
    torch.testing.assert_close(actual, expected)


def test_softmax_cross_entropy_is_torchs():
    torch.manual_seed(0)
    logits, labels = 5 * torch.randn(60, 6), torch.randint(-1, 6, (60,))
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value = SoftmaxCrossEntropyLoss()(ours, labels)
    expected = F.cross_entropy(theirs, labels, ignore_index=-1, reduction="sum")
    value.backward(), expected.backward()
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_softmax_focal_is_its_formula(gamma):
    torch.manual_seed(0)
    logits, labels = 2 * torch.randn(40, 4, dtype=torch.float64), torch.randint(0, 4, (40,))
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    log_p_t = theirs.log_softmax(1).gather(1, labels[:, None])[:, 0]
    alpha_t = torch.tensor([0.3, 0.3, 0.3, 0.7], dtype=torch.float64)[labels]
    expected = -(alpha_t * (1 - log_p_t.exp()) ** gamma * log_p_t).sum()
    value = SoftmaxFocalLoss(0.3, gamma)(ours, labels)
    value.backward(), expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("margin", [0.0, 0.05])
@pytest.mark.parametrize("gamma_neg", [0.0, 0.5, 4.0])
def test_asymmetric_is_its_formula(gamma_neg, margin):
    # no logit near the corner p = margin
    x = torch.tensor([-4.0, -2.0, -0.5, 0.0, 1.0, 6.0], dtype=torch.float64)
    loss = AsymmetricFocalLoss(gamma_pos=1.0, gamma_neg=gamma_neg, margin=margin)
    reference = x.clone().requires_grad_()
    p_m = (reference.sigmoid() - margin).clamp(min=0)
    expected = -((p_m + (p_m == 0)) ** gamma_neg) * torch.log1p(-p_m)
    slope = torch.autograd.grad(expected.sum(), reference)[0]
    torch.testing.assert_close(element_by_element(loss, x, ABSENT), (expected.detach(), slope))
    focal = element_by_element(SigmoidFocalLoss(None, 1.0), x, PRESENT)
    torch.testing.assert_close(element_by_element(loss, x, PRESENT), focal)


def test_hinge_is_its_formula():
    x = torch.tensor([-3.0, -1.0, 1.0, 3.0], dtype=torch.float64)
    p = x.sigmoid()
    value, grad = element_by_element(SigmoidHingeLoss(margin=0.6), x, PRESENT)
    torch.testing.assert_close(value, (0.6 - p).clamp(min=0))
    torch.testing.assert_close(grad, -p * (1 - p) * (p < 0.6))
