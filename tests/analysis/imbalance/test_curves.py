"""Streaming curves and sums beside an exact sort of all elements, and beside closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retina_plugin.analysis.imbalance.curves import cumulative_loss
from retina_plugin.analysis.imbalance.functions import GAMMAS, focal_losses, loss_and_gradient_norm
from retina_plugin.analysis.imbalance.histogram import LIMIT, WIDTH, LogitHistogram
from retina_plugin.modeling.losses import (
    AsymmetricFocalLoss,
    DenseTargets,
    SigmoidFocalLoss,
    SoftmaxFocalLoss,
)


def focal(x_t: np.ndarray, gamma: float) -> np.ndarray:
    """Independent of the package: (1 - p_t)^gamma log(1 / p_t)."""
    return np.exp(-gamma * np.logaddexp(0, x_t)) * np.logaddexp(0, -x_t)


def binned(x_t: np.ndarray) -> LogitHistogram:
    histogram = LogitHistogram.empty(1)
    for part in np.array_split(x_t, 3):
        histogram.add(torch.zeros(len(part), dtype=torch.long), torch.from_numpy(part))
    return histogram


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    centre=st.floats(-10, 20),
    spread=st.sampled_from([1e-3, 0.01, 0.3, 3.0]),
    gamma=st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]),
)
def test_the_curve_of_bins_is_that_of_an_exact_sort_within_its_bound(seed, centre, spread, gamma):
    x_t = np.random.default_rng(seed).normal(centre, spread, 2000)
    histogram = binned(x_t)
    count = histogram.count[0]
    curve = cumulative_loss(
        count, count * loss_and_gradient_norm(SigmoidFocalLoss(None, gamma), histogram.mean()[0], True)[0]
    )
    exact = np.sort(focal(x_t, gamma))
    expected = np.cumsum(exact) / exact.sum()
    ratio = math.exp(WIDTH * (gamma + 1))  # of the losses in one bin: |d log FL / d x_t| is at most gamma + 1
    held = np.diff(curve.loss).max()
    bound = held * (math.sqrt(ratio) - 1) / (math.sqrt(ratio) + 1)
    of_means = (WIDTH * (gamma + 1)) ** 2 / 8  # relative error of a bin's sum, taken at the mean of its x_t
    found = np.interp(np.arange(1, 2001) / 2000, curve.fraction, curve.loss)
    assert np.abs(found - expected).max() <= bound + 2 * of_means + 1e-12
    assert curve.held_by_easiest(0.9) == pytest.approx(expected[1799], abs=bound + 2 * of_means)


def test_a_curve_of_few_bins_in_closed_form():
    curve = cumulative_loss(np.array([1, 0, 6, 3]), np.array([5.0, 0, 2, 3]))
    assert curve.fraction.tolist() == [0, 0.6, 0.9, 1]  # sorted by the mean loss
    assert curve.loss.tolist() == [0, 0.2, 0.5, 1]
    assert curve.held_by_easiest(0.75) == pytest.approx(0.35)
    assert math.isnan(cumulative_loss(np.zeros(4), np.zeros(4)).held_by_easiest(0.9))


def test_a_thinned_curve_keeps_its_shape():
    x = np.linspace(0, 1, 3001)
    curve = cumulative_loss(np.ones(3000), np.diff(x**8))
    thin = curve.thinned(200)
    assert len(thin.fraction) <= 201
    assert (thin.fraction[-1], thin.loss[-1]) == (1, pytest.approx(1))
    assert np.abs(np.interp(x, thin.fraction, thin.loss) - x**8).max() < 1e-3


def test_logits_beyond_the_bins_keep_their_loss():
    x_t = np.array([-50.0, -40.0, 100.0, LIMIT])
    histogram = binned(x_t)
    assert histogram.count.sum() == 4
    values = loss_and_gradient_norm(SigmoidFocalLoss(None, 0.0), histogram.mean()[0], True)[0]
    assert (values * histogram.count[0]).sum() == pytest.approx(90, rel=1e-12)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("present", [True, False])
def test_loss_and_gradient_norm_of_a_logit(gamma, present):
    x_t = np.linspace(-6, 6, 25)
    loss, gradient = loss_and_gradient_norm(SigmoidFocalLoss(0.75, gamma), x_t, present)
    weight, step = 0.75 if present else 0.25, 1e-6
    assert loss == pytest.approx(weight * focal(x_t, gamma), rel=1e-12)
    slope = (focal(x_t - step, gamma) - focal(x_t + step, gamma)) / (2 * step)
    assert gradient == pytest.approx(weight * slope, rel=1e-6, abs=1e-12)


def test_a_loss_that_treats_presence_differently():
    asymmetric = AsymmetricFocalLoss(gamma_pos=0.0, gamma_neg=4.0, margin=0.0)
    x_t = np.array([-2.0, 0.5, 3.0])
    assert loss_and_gradient_norm(asymmetric, x_t, True)[0] == pytest.approx(focal(x_t, 0))
    assert loss_and_gradient_norm(asymmetric, x_t, False)[0] == pytest.approx(focal(x_t, 4))


def test_the_gradient_norm_of_a_softmax_is_half_the_sum_of_its_absolute_gradients():
    loss, logits = SoftmaxFocalLoss(0.25, 2.0), torch.randn(6, 4, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 3, 0])
    values, gradient = loss.loss_and_gradient(logits, DenseTargets(labels))
    p_t = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    for present in (True, False):
        own = (labels < 3) == present
        found, norm = loss_and_gradient_norm(loss, p_t.logit()[own].numpy(), present)
        assert found == pytest.approx(values.sum(1)[own].numpy())
        assert norm == pytest.approx(gradient.abs().sum(1)[own].numpy() / 2)


def test_names_of_the_losses_of_the_figure():
    assert list(focal_losses()) == ["CE (γ = 0)", "focal, γ = 0.5", "focal, γ = 1", "focal, γ = 2"]
