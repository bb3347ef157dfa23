"""Figures of the page, also of a detector that sees nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
from planted_logits import planted_image

from retina_plugin.analysis.imbalance.examine import OWN
from retina_plugin.analysis.imbalance.functions import focal_losses
from retina_plugin.analysis.imbalance.report.figures import (
    curves_by_label,
    draw_curves,
    draw_figure_4,
    draw_probabilities,
    draw_reliability,
)
from retina_plugin.analysis.imbalance.shares import shares_of
from retina_plugin.analysis.imbalance.xray import Xray
from retina_plugin.modeling.losses import SigmoidFocalLoss, SigmoidHingeLoss
from retina_plugin.pages.figures import svg_uri


def examination(own=None, images: int = 2) -> SimpleNamespace:
    xray = Xray(3, 2, 3)
    for seed in range(images):
        xray.add(planted_image(seed))
    losses = focal_losses() | {OWN: own or SigmoidFocalLoss(0.25, 1.0)}
    shares = {name: shares_of(xray, loss) for name, loss in losses.items()}
    scores = np.linspace(0, 1, 50 * images)
    return SimpleNamespace(name="a run", xray=xray, shares=shares, prior=0.01, scores=scores, correct=scores > 0.5)


def test_the_runs_own_loss_is_one_line_with_another_that_differs_by_alpha_alone():
    labels = list(curves_by_label(examination().shares))
    assert labels == ["CE (γ = 0)", "focal, γ = 0.5", "focal, γ = 1 (its own)", "focal, γ = 2"]
    assert list(curves_by_label(examination(SigmoidHingeLoss(0.5)).shares))[-1] == OWN
    assert list(curves_by_label(examination(images=0).shares))[-1] == OWN  # all curves are alike


def test_lines_can_be_told_apart_without_colour():
    (foreground, _) = draw_curves(examination(SigmoidHingeLoss(0.5)))
    lines = foreground.axes[0].get_lines()
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(lines) == 5
    assert lines[0].get_xdata()[[0, -1]].tolist() == [0, 1]
    assert lines[0].get_ydata()[-1] == pytest.approx(1)


def test_histograms_hold_every_logit():
    one = examination()
    axes = draw_probabilities(one).axes[0]
    assert [sum(patch.get_data().values) for patch in axes.patches] == pytest.approx([1, 1])
    assert sorted(line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata())) == pytest.approx(
        [-np.log(99), np.log(99)]
    )


def test_a_detector_that_sees_nothing_can_be_drawn():
    nothing = examination(images=0)
    for figure in (*draw_curves(nothing), draw_probabilities(nothing), *draw_reliability([nothing])):
        assert svg_uri(figure).startswith("data:image/svg+xml")
    assert len(draw_figure_4([nothing, examination()]).get_axes()) == 4
