"""The pictures behind the sliders of the notebooks, also at the ends of the sliders."""

import io
import re
import sys

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from retina_plugin.analysis.imbalance.functions import best_start
from retina_plugin.analysis.imbalance.xray import Xray
from retina_plugin.analysis.loss_sliders import draw_loss, draw_start, draw_sums, start_in_words
from retina_plugin.modeling.losses import SigmoidFocalLoss

sys.path.append(str(ROOT / "tests" / "analysis" / "imbalance"))
from planted_logits import planted_image  # noqa: E402

ENDS = [(0.0, None, 1e-6), (0.0, 1.0, 0.99), (10.0, 0.0, 0.99), (10.0, 1.0, 1e-6)]


def drawn(figure):
    figure.savefig(io.BytesIO(), format="png", dpi=30)
    return figure


@pytest.fixture(scope="module")
def xray():
    found = Xray(3, 2, 3)
    for seed in range(2):
        found.add(planted_image(seed))
    return found


@pytest.mark.parametrize("gamma, alpha, prior", ENDS)
def test_sliders_may_stand_at_their_ends(gamma, alpha, prior, xray):
    for figure in (
        draw_loss(gamma, alpha, prior),
        draw_start(1e-5, gamma, alpha, prior),
        draw_sums(xray, gamma, alpha),
    ):
        assert drawn(figure).axes[0].get_lines() or figure.axes[0].patches


@given(share=st.floats(1e-6, 0.2), prior=st.floats(1e-6, 0.99))
@settings(max_examples=30, deadline=None)
def test_the_words_are_the_ratio_of_cross_entropys_gradients(share, prior):
    down_over_up = (1 - share) * prior / (share * (1 - prior))
    words = start_in_words(share, 0.0, None, prior)
    number = float((re.search(r"is (\S+) times", words) or (0, 1))[1])
    assert number == pytest.approx(max(down_over_up, 1 / down_over_up), rel=0.01)
    if abs(down_over_up - 1) > 1e-9:
        assert ("gradient of background" in words) == (down_over_up > 1)


def test_cross_entropy_has_its_best_start_at_the_share_of_objects_and_the_gradients_cross_there():
    assert best_start(SigmoidFocalLoss(None, 0.0), 0.003) == pytest.approx(0.003)
    for gamma in (0.0, 2.0):
        start = best_start(SigmoidFocalLoss(0.25, gamma), 0.003)
        ratio = float(re.search(r"is (\S+) times|are equal", start_in_words(0.003, gamma, 0.25, start))[1] or 1)
        assert ratio == pytest.approx(1, abs=0.01)
    assert best_start(SigmoidFocalLoss(1.0, 2.0), 0.003) is None  # background has no weight


def test_a_line_of_the_loss_is_the_formula():
    lines = {line.get_label(): line for line in draw_loss(2.0, 0.25, 0.01).axes[0].get_lines()}
    x, y = lines["objects"].get_data()
    p = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(y, -0.25 * (1 - p) ** 2 * np.log(p), rtol=1e-6)
    x, y = lines["background"].get_data()
    np.testing.assert_allclose(y, -0.75 * (1 / (1 + np.exp(-x))) ** 2 * -np.log1p(np.exp(x)), rtol=1e-6)


def test_bars_hold_every_logit_at_its_score_and_all_of_the_loss(xray):
    numbers, sums = draw_sums(xray, 2.0, 0.25).axes
    counts = [np.nan_to_num(patch.get_data().values) for patch in numbers.patches]
    assert [int(c.sum()) for c in counts] == [int(xray.elements(kind)[0].sum()) for kind in (True, False)]
    assert sum(patch.get_data().values.sum() for patch in sums.patches) == pytest.approx(100)


def test_background_has_the_score_of_every_other_class(xray):
    images = [planted_image(seed) for seed in range(2)]
    logits = np.concatenate([i.logits[i.labels >= 0].numpy() for i in images])
    labels = np.concatenate([i.labels[i.labels >= 0].numpy() for i in images])
    bars = draw_sums(xray, 0.0, None).axes[0].patches[1].get_data()
    expected = np.histogram(logits[labels[:, None] != np.arange(3)], bars.edges)[0]
    np.testing.assert_array_equal(np.nan_to_num(bars.values), expected)
