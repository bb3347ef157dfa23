"""Shares from histograms beside sums over all logits by the code that trains."""

import numpy as np
import pytest
import torch
from planted_logits import planted_image

from retina_plugin.analysis.imbalance import elements
from retina_plugin.analysis.imbalance.advisor import ALPHAS, GAMMAS, advise, implied_priors
from retina_plugin.analysis.imbalance.exact_sums import ExactSums
from retina_plugin.analysis.imbalance.functions import chosen_losses, focal_losses, is_function_of_p_t
from retina_plugin.analysis.imbalance.shares import Shares, shares_of
from retina_plugin.analysis.imbalance.xray import Xray
from retina_plugin.config import ConfigError
from retina_plugin.modeling.losses import (
    GHMCLoss,
    OHEMCrossEntropyLoss,
    SigmoidCrossEntropyLoss,
    SigmoidFocalLoss,
    SigmoidHingeLoss,
    SoftmaxFocalLoss,
)

IMAGES = range(2)


def xray_of(num_logits: int = 3) -> Xray:
    xray = Xray(3, 2, num_logits)
    for seed in IMAGES:
        xray.add(planted_image(seed, num_logits))
    return xray


def exact(loss, num_logits: int, select) -> np.ndarray:
    """(2,) sums of loss and absolute gradient where `select(image, present)` (R, C) holds, by the training's code."""
    sums = np.zeros(2)
    for image in (planted_image(seed, num_logits) for seed in IMAGES):
        present = image.labels[:, None] == torch.arange(num_logits)
        values = loss.loss_and_gradient(image.logits.double(), image.targets)
        sums += [(v.abs() * select(image, present)).sum().item() for v in values]
    return sums


LOSSES = [SigmoidFocalLoss(0.25, 2.0), SigmoidCrossEntropyLoss(None), SigmoidHingeLoss(0.5)]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_shares_are_those_of_all_logits(loss, monkeypatch):
    monkeypatch.setattr(elements, "_MOST_LOGITS", 300)  # several parts per image
    check_shares(shares_of(xray_of(), loss), loss, rel=2e-3)


COUPLED = [SigmoidFocalLoss([0.1, 0.2, 0.7], 2.0), GHMCLoss(), OHEMCrossEntropyLoss(16), SigmoidFocalLoss(0.25, 1.0)]


@pytest.mark.parametrize("loss", COUPLED, ids=lambda x: type(x).__name__)
def test_exact_shares_are_those_of_all_logits(loss, monkeypatch):
    monkeypatch.setattr(elements, "_MOST_LOGITS", 300)
    found = exact_shares(loss)
    check_shares(found, loss, rel=1e-5)
    for curve, present in ((found.foreground, True), (found.background, False)):
        values = np.sort(np.concatenate([elementwise(loss, seed, present) for seed in IMAGES]))
        expected = np.cumsum(values) / values.sum()
        points = np.arange(1, len(values) + 1) / len(values)
        assert np.interp(points, curve.fraction, curve.loss) == pytest.approx(expected, abs=2e-3)


def exact_shares(loss) -> Shares:
    sums = ExactSums(loss, 3, 2)
    for seed in IMAGES:
        sums.add(planted_image(seed))
    return sums.shares()


def elementwise(loss, seed: int, present: bool) -> np.ndarray:
    image = planted_image(seed)
    own = image.labels[:, None] == torch.arange(3)
    wanted = own if present else ~own & (image.labels >= 0)[:, None]
    return loss.loss_and_gradient(image.logits, image.targets)[0][wanted].numpy().astype(float)


def test_both_ways_to_sum_agree():
    loss = SigmoidFocalLoss(0.25, 2.0)
    one, other = exact_shares(loss), shares_of(xray_of(), loss)
    for name in ("of_background", "of_levels", "of_classes", "of_sizes"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=2e-3), name
    for fraction in (0.5, 0.9, 0.99):
        expected = one.background.held_by_easiest(fraction)
        assert other.background.held_by_easiest(fraction) == pytest.approx(expected, abs=2e-3)


def check_shares(found: Shares, loss, rel: float) -> None:
    total = exact(loss, 3, lambda image, present: torch.ones_like(present))
    background = exact(loss, 3, lambda image, present: ~present)
    close = {"rel": rel, "abs": 1e-12}
    assert found.of_background == pytest.approx(background / total, **close)
    at_foreground = exact(loss, 3, lambda image, present: ~present & present.any(1, keepdim=True))
    assert found.of_other_classes == pytest.approx(at_foreground / total, **close)
    for level in range(2):
        for place, sign in enumerate((True, False)):
            part = exact(loss, 3, lambda i, p, s=sign, n=level: (p == s) & (i.levels == n)[:, None])
            assert found.of_levels[:, place, level] == pytest.approx(part / total, **close)
    own = exact(loss, 3, lambda image, present: present)
    for place in range(3):
        part = exact(loss, 3, lambda i, p, k=place: p & (torch.arange(3) == k))
        assert found.of_classes[:, place] == pytest.approx(part / own, **close)
        part = exact(loss, 3, lambda i, p, n=place: p & (sizes(i) == n)[:, None])
        assert found.of_sizes[:, place] == pytest.approx(part / own, **close)


def sizes(image) -> torch.Tensor:
    areas = (image.boxes[:, 2:] - image.boxes[:, :2]).prod(1) / 4  # the image is resized by 2 in both directions
    return (areas >= 32**2).long() + (areas >= 96**2).long()


def test_the_elements_of_a_softmax_are_anchors():
    loss, xray = SoftmaxFocalLoss(0.25, 2.0), xray_of(num_logits=4)
    assert xray.is_softmax and xray.by_level.count.sum() == xray.anchors[:2].sum()
    found = shares_of(xray, loss)
    values = np.zeros(2)
    for image in (planted_image(seed, 4) for seed in IMAGES):
        by_anchor = loss.loss_and_gradient(image.logits.double(), image.targets)[0].sum(1)
        values += [by_anchor[image.labels == 3].sum().item(), by_anchor.sum().item()]
    assert found.of_background[0] == pytest.approx(values[0] / values[1], rel=2e-3)
    assert found.of_other_classes[0] == 0


def test_counts_of_anchors_and_objects():
    xray, images = xray_of(), [planted_image(seed) for seed in IMAGES]
    labels = torch.cat([image.labels for image in images])
    expected = [((labels >= 0) & (labels < 3)).sum(), (labels == 3).sum(), (labels < 0).sum()]
    assert xray.anchors.tolist() == [int(x) for x in expected]
    assert xray.foreground_share == pytest.approx(xray.anchors[0] / (3 * xray.anchors[:2].sum()))
    assert xray.objects.sum(1).tolist() == [8, 2, 2]
    by_size = sum(torch.bincount(sizes(image)[:6], minlength=3) for image in images)
    assert xray.objects.sum(0).tolist() == by_size.tolist()


def test_the_alpha_of_the_advisor_gives_background_its_target():
    xray = xray_of()
    advice = advise(xray, target=0.3)
    for gamma, alpha, row in zip(GAMMAS, advice.alphas, advice.shares[1], strict=True):
        share = shares_of(xray, SigmoidFocalLoss(float(alpha), gamma)).of_background[1]
        assert share == pytest.approx(0.3, rel=1e-6)
        expected = [shares_of(xray, SigmoidFocalLoss(a, gamma)).of_background[1] for a in ALPHAS]
        assert row == pytest.approx(expected, rel=1e-6)
    assert advice.is_near.tolist() == (abs(advice.shares[1] - 0.3) <= 0.1).tolist()
    with pytest.raises(ConfigError, match="--target-background-share must be between 0 and 1, got 1"):
        advise(xray, 1.0)


def test_nothing_to_share_is_nan():
    advice = advise(Xray(3, 2, 3))
    assert np.isnan(advice.alphas).all()
    assert np.isnan(shares_of(Xray(3, 2, 3), SigmoidFocalLoss()).of_background).all()


def test_the_prior_that_cross_entropy_implies_is_the_share_of_foreground():
    xray = xray_of()
    found = implied_priors(xray, {"ce": SigmoidCrossEntropyLoss(None), "ghm": GHMCLoss()})
    assert found["ce"] == pytest.approx(xray.foreground_share, rel=1e-5)
    assert np.isnan(found["ghm"])  # has no such score


def test_losses_that_depend_on_more_than_p_t_are_refused():
    assert is_function_of_p_t(SigmoidFocalLoss()) and is_function_of_p_t(SoftmaxFocalLoss())
    for loss in (GHMCLoss(), OHEMCrossEntropyLoss(), SigmoidFocalLoss([0.1, 0.2, 0.3])):
        assert not is_function_of_p_t(loss)
    assert list(chosen_losses((), 3, 3)) == list(focal_losses())
    assert list(chosen_losses(("hinge", "focal"), 3, 3)) == ["hinge", "focal"]
    for name, problem in (("ghm", "other logits too"), ("softmax_ce", "needs 4 logits"), ("fokal", "no loss 'fokal'")):
        with pytest.raises(ConfigError, match=f"--losses.*{problem}"):
            chosen_losses((name,), 3, 3)
