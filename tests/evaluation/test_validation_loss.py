"""The validation loss: which models and mappers it takes, and that it restores the model."""

import copy
import math

import pytest
import torch
from detectron2.config import LazyCall as L
from detectron2.config import instantiate

from retina_plugin.config import ConfigError
from retina_plugin.evaluation import build_annotated_loader, validation_loss


def test_a_model_without_a_foreground_average_is_refused():
    with pytest.raises(ConfigError, match="needs a PluggableRetinaNet, got Linear"):
        validation_loss(torch.nn.Linear(1, 1), [])


def test_a_mapper_without_annotations_is_refused(tiny_cfg):
    cfg = tiny_cfg()
    cfg.dataloader.test.mapper = L(copy.copy)(x=1)
    message = r"analyses of anchors set dataloader.test.mapper.is_train, but .* train.val_loss=false"
    with pytest.raises(ConfigError, match=message):
        build_annotated_loader(cfg)


def test_an_error_leaves_the_model_as_it_was(tiny_cfg):
    model = instantiate(tiny_cfg().model).eval()
    model.backbone.train()
    modes = [module.training for module in model.modules()]
    with pytest.raises(ValueError, match="no 'instances'"):
        validation_loss(model, [[{}]])
    assert [module.training for module in model.modules()] == modes
    assert model.foreground.counted() is None


def test_it_is_the_loss_sum_per_foreground_anchor_without_dropout(tiny_cfg):
    cfg = tiny_cfg()
    model = instantiate(cfg.model).eval()
    loader = build_annotated_loader(cfg)
    expected = validation_loss(model, loader)
    assert set(expected) == {"loss_cls", "loss_box_reg"}
    assert validation_loss(model.train(), loader) == expected
    assert float(model.loss_normalizer) == 100


@pytest.mark.parametrize("other", [math.nan, 0.0])
def test_losses_that_count_no_foreground_are_means_over_batches(tiny_cfg, monkeypatch, other):
    model = instantiate(tiny_cfg().model)
    losses = {"loss_cls": torch.tensor(6.0), "loss_box_reg": torch.tensor(other)}
    monkeypatch.setattr(model, "forward", lambda batch: losses)
    found = validation_loss(model, [[], []])
    assert found == pytest.approx({"loss_cls": 6.0, "loss_box_reg": other}, nan_ok=True)
