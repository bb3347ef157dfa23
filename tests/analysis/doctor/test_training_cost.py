"""What the first steps of a training tell of all of it."""

import json

import pytest
import torch
from conftest import train_args

from retina_plugin.analysis.doctor.subject import Subject
from retina_plugin.analysis.doctor.training import cost, first_steps
from retina_plugin.engine import main
from retina_plugin.engine.prior import measure_foreground_share

CE = "model.cls_loss='${losses.sigmoid_ce}'"


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(first_steps, "_MEASURED", 1)


@pytest.fixture
def weights(monkeypatch):
    """The parameters before and after the steps."""
    kept, take = [], first_steps._steps

    def watched(run, storage):
        kept.append([p.detach().clone() for p in run.model.parameters()])
        result = take(run, storage)
        kept.append([p.detach().clone() for p in run.model.parameters()])
        return result

    monkeypatch.setattr(first_steps, "_steps", watched)
    return kept


def test_the_first_steps_are_those_of_the_training_but_change_nothing(tiny_cfg, tmp_path, few, weights):
    steps = first_steps.first_steps(Subject(tiny_cfg()))
    assert all(map(torch.equal, *weights)) and not list(tmp_path.iterdir())
    main(train_args(tmp_path / "other", "train.max_iter=1"))
    first = json.loads((tmp_path / "other/metrics.json").read_text().splitlines()[0])
    assert steps.losses == {name: first[name] for name in ("loss_cls", "loss_box_reg")}
    assert steps.num_pos_anchors == first["num_pos_anchors"]
    assert steps.step_seconds > 0 and steps.image_seconds > 0 and steps.memory_mb > 100


@pytest.mark.parametrize("loss", ["model.cls_loss='${losses.softmax_ce}'", CE])
def test_the_expected_first_loss_is_that_of_constant_scores(loss, tiny_cfg, few, monkeypatch):
    subject = Subject(tiny_cfg(loss, "dataloader.train.total_batch_size=8"))  # all images that the share is counted on
    monkeypatch.setattr(cost, "foreground_share", lambda _: measure_foreground_share(subject.cfg))
    steps = first_steps.first_steps(subject)
    assert steps.losses["loss_cls"] == pytest.approx(cost.expected_start(subject, steps), rel=0.02)
    assert not list(cost.start(subject))


def test_features_that_are_too_large(tiny_cfg, few):
    subject = Subject(tiny_cfg("model.pixel_std=[0.001,0.001,0.001]", "model.backbone.bottom_up.norm=FrozenBN"))
    (found,) = cost.start(subject)
    assert (found.severity, found.code) == ("warning", "start-loss")


def test_a_first_loss_that_is_not_finite(tiny_cfg, few):
    subject = Subject(tiny_cfg("model.pixel_std=[1e-38,1e-38,1e-38]", "model.backbone.bottom_up.norm=FrozenBN"))
    (found,) = cost.start(subject)
    assert (found.severity, found.code) == ("error", "start-not-finite")
    assert "iteration 0" in found.message and "retina replay" not in found.message
    assert not list(cost.cost(subject))


def test_the_estimate_adds_steps_and_evaluations(tiny_cfg, monkeypatch):
    known = first_steps.FirstSteps({}, 1.0, 2.0, 0.5, 2048.0)
    monkeypatch.setattr(cost, "first_steps", lambda _: known)
    cfg = tiny_cfg("train.max_iter=100", "train.eval_period=25")
    (found,) = cost.cost(Subject(cfg))
    assert "about 3.5 minutes here and 2 GB" in found.message  # 100 steps of 2 s, 4 evaluations of 4 images of .5 s
    assert "4 evaluations of 4 images" in found.message


@pytest.mark.parametrize(("period", "expected"), [(0, 1), (25, 4), (30, 4), (99, 2), (100, 1), (1000, 1)])
def test_the_number_of_evaluations(period, expected, tiny_cfg):
    assert cost.evaluations(tiny_cfg("train.max_iter=100", f"train.eval_period={period}").train) == expected
