"""Weights that a label assigner gives to anchors are in the shares of the run's own loss, as in training."""

import pytest

from retina_plugin.analysis.imbalance import examine
from retina_plugin.modeling import AnchorTargets, LabelAssigner


class WithoutBackground(LabelAssigner):
    """The labels of another assigner; anchors of background have weight 0."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, anchors, gt_instances, num_classes):
        targets = self.inner(anchors, gt_instances, num_classes)
        return AnchorTargets(targets.labels, targets.boxes, (targets.labels != num_classes).float())


def test_the_own_loss_has_the_weights_of_the_assigner(trained_run, monkeypatch):
    plain = examine.examine(trained_run, max_images=2, gallery=2)
    load = examine.load_detector

    def weighed(*args, **kwargs):
        cfg, model = load(*args, **kwargs)
        model.label_assigner = WithoutBackground(model.label_assigner)
        return cfg, model

    monkeypatch.setattr(examine, "load_detector", weighed)
    found = examine.examine(trained_run, max_images=2, gallery=2)
    own, before = found.shares[examine.OWN], plain.shares[examine.OWN]
    assert own.of_background == pytest.approx(own.of_other_classes) and (own.of_background < before.of_background).all()
    assert own.of_classes == pytest.approx(before.of_classes, rel=2e-3)
    assert plain.hardest and not found.hardest  # no background anchor has a gradient


def test_weights_of_one_change_nothing(trained_run, monkeypatch):
    plain = examine.examine(trained_run, max_images=2, gallery=0)
    monkeypatch.setattr(examine, "MatcherAssigner", WithoutBackground)  # as if the assigner were one's own
    found = examine.examine(trained_run, max_images=2, gallery=0)
    for name in ("of_background", "of_levels", "of_classes", "of_sizes"):
        expected = getattr(plain.shares[examine.OWN], name)
        assert getattr(found.shares[examine.OWN], name) == pytest.approx(expected, rel=2e-3, nan_ok=True)
