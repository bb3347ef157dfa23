"""Shares as readers see them, and sentences about data and losses at their limits."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from planted_logits import planted_image

from retina_plugin.analysis.imbalance.advisor import Advice, advise
from retina_plugin.analysis.imbalance.examine import OWN, _easiest
from retina_plugin.analysis.imbalance.functions import focal_losses
from retina_plugin.analysis.imbalance.report.sentences import percent, sentences
from retina_plugin.analysis.imbalance.shares import shares_of
from retina_plugin.analysis.imbalance.study_file import write_study
from retina_plugin.analysis.imbalance.xray import Xray
from retina_plugin.config import ConfigError
from retina_plugin.modeling.losses import SigmoidFocalLoss

SHARES = {0.0: "0 %", 1e-5: "< 0.01 %", 0.0004: "0.04 %", 0.0043: "0.4 %", 0.0994: "9.9 %", 0.0996: "10 %"}
SHARES |= {0.52: "52 %", 0.994: "99 %", 0.997: "99.7 %", 0.99996: "> 99.9 %", 1.0: "100 %", float("nan"): "–"}


@pytest.mark.parametrize("share", SHARES)
def test_a_share_has_digits_where_they_matter(share):
    assert percent(share) == SHARES[share]


def said(target=0.5, **changes):
    """The sentences about three classes in a planted image with changes."""
    xray, loss = Xray(3, 2, 3), SigmoidFocalLoss(0.25, 2.0)
    xray.add(replace(planted_image(0), **changes))
    shares = {name: shares_of(xray, x) for name, x in focal_losses().items()} | {OWN: shares_of(xray, loss)}
    names = ["US$", "dog", "owl"]
    content = {"easiest": _easiest(xray, shares), "own_loss": "Loss()", "class_names": names}
    return " ".join(sentences(SimpleNamespace(xray=xray, shares=shares, **content), advise(xray, target)))


def test_without_foreground_there_is_no_alpha():
    found = said(labels=torch.full((400,), 3))
    assert "No anchor is foreground" in found and "with alpha" not in found
    assert "with alpha" in said()


def test_a_loss_of_0_has_no_shares():
    labels = torch.arange(400) % 4
    found = said(labels=labels, logits=torch.where(labels[:, None] == torch.arange(3), 1e4, -1e4))
    assert "No background logit has a loss." in found and "–" not in found
    assert "Loss or gradient is 0 everywhere under its own loss, Loss()." in found and "with alpha" not in found


def test_classes_with_as_many_objects_are_not_compared():
    truth = planted_image(0).ground_truth
    assert "Objects by class: US$ has 4 and dog has 1." in said()
    assert "Objects by class" not in said(ground_truth=truth[truth.gt_classes > 0])


def test_more_foreground_than_background_has_a_ratio():
    labels = torch.where(torch.arange(400) < 40, 3, 0)
    assert "Anchors: 360 of foreground against 40 of background, 1 to 0.1, and 0 ignored." in said(labels=labels)


def test_an_alpha_near_1_keeps_its_digits(tmp_path):
    found = said(0.001, labels=torch.where(torch.arange(400) < 1, 0, 3))
    alpha = float(found.partition("with alpha ")[2].partition(" ")[0])
    assert 0.999 < alpha < 1
    advice = Advice(0.5, np.full((2, 6, 6), np.nan), np.full(6, 0.99963))
    write_study(tmp_path / "study.py", tmp_path, {"focal": {}}, advice)
    assert '"losses.focal.alpha=0.99963"' in (tmp_path / "study.py").read_text()
    with pytest.raises(ConfigError, match="foreground or background has no gradient"):
        write_study(tmp_path / "other.py", tmp_path, {"focal": {}}, replace(advice, alphas=np.full(6, np.nan)))
