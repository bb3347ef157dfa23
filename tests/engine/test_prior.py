"""`model.head.prior_prob="stationary"`: measured on the training data, then a number like any other."""

import math

import pytest
import torch
from conftest import QUICK, TINY, train_args
from detectron2.config import get_cfg, instantiate
from detectron2.engine import launch
from detectron2.layers import ShapeSpec
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from retina_plugin.config import ConfigError, add_retina_plugin_config, get_config, load_config
from retina_plugin.data import DataError
from retina_plugin.engine import main
from retina_plugin.engine.prior import measure_foreground_share, resolve_prior, set_stationary_prior
from retina_plugin.engine.run_data import record_data
from retina_plugin.engine.setup import build_model
from retina_plugin.modeling import PluggableRetinaNetHead
from retina_plugin.modeling.losses import SigmoidFocalLoss, stationary_prob
from retina_plugin.modeling.meta_arch import ForegroundCounter
from retina_plugin.predictor import LazyPredictor

STATIONARY = "model.head.prior_prob=stationary"
CE = "model.cls_loss=${losses.sigmoid_ce}"


def test_the_counts_are_those_of_the_labels_in_training(tiny_cfg):
    cfg = tiny_cfg()
    record_data(cfg)
    model = build_model(cfg)
    seen = []
    losses = model.losses
    model.losses = lambda anchors, logits, labels, *more, **weights: (
        seen.append(torch.stack(labels)) or losses(anchors, logits, labels, *more, **weights)
    )
    batch = next(iter(instantiate(cfg.dataloader.train)))
    counted = ForegroundCounter(model)(batch)
    with EventStorage():
        model(batch)
    (labels,) = seen
    foreground = ((labels >= 0) & (labels < 3)).sum().item()
    assert foreground > 0 and (labels < 0).any()
    assert counted == (foreground, 3 * (labels >= 0).sum().item())


def test_the_share_depends_on_data_and_seed_only(tiny_cfg):
    cfg, ce = tiny_cfg(), tiny_cfg(CE, "optimizer.lr=.5")
    share = measure_foreground_share(cfg)
    assert 0 < share < 0.1
    assert measure_foreground_share(ce) == share != measure_foreground_share(tiny_cfg("train.seed=1"))
    assert "num_workers" in cfg.dataloader.train  # the config is left as it was


def measure_in_a_group(folder):
    cfg = get_config(QUICK, [*TINY, f"train.output_dir={folder}/run"])
    (folder / f"rank{comm.get_rank()}").write_text(repr(measure_foreground_share(cfg)))


def test_all_processes_measure_the_share_of_a_single_one(tmp_path, tiny_cfg, forked_ranks):
    launch(measure_in_a_group, 2, dist_url="auto", args=(tmp_path,))
    expected = repr(measure_foreground_share(tiny_cfg()))
    assert [(tmp_path / f"rank{rank}").read_text() for rank in (0, 1)] == [expected] * 2


def test_training_writes_the_number_and_resumes(tmp_path):
    run = tmp_path / "run"
    main(train_args(run, STATIONARY, CE, "train.max_iter=1"))
    cfg = load_config(run / "config.yaml")
    share = measure_foreground_share(get_config(QUICK, TINY))
    assert cfg.model.head.prior_prob == pytest.approx(share, rel=1e-5)
    start = build_model(cfg).head.cls_score.bias
    assert torch.allclose(start, torch.tensor(math.log(share / (1 - share))), atol=1e-4)
    said = f"model.head.prior_prob=stationary is {cfg.model.head.prior_prob:g}: {share:.3g} of the logits"
    assert said in (run / "log.txt").read_text()
    main(train_args(run, STATIONARY, CE, "train.max_iter=1", resume=True))
    assert "Resuming at iteration 1" in (run / "log.txt").read_text()
    assert load_config(run / "config.yaml").model.head.prior_prob == cfg.model.head.prior_prob


def test_evaluation_and_prediction_of_a_run_need_no_number(trained_run, tmp_path, monkeypatch):
    monkeypatch.setattr("retina_plugin.engine.prior.measure_foreground_share", None)
    weights = f"train.init_checkpoint={trained_run}/model_final.pth"
    assert main(train_args(tmp_path / "run", STATIONARY, weights, eval_only=True))["bbox"]
    predictor = LazyPredictor(get_config(QUICK, [*TINY, STATIONARY]), trained_run / "model_final.pth")
    bias = torch.load(trained_run / "model_final.pth", weights_only=False)["model"]["head.cls_score.bias"]
    assert predictor.model.head.cls_score.bias.equal(bias)


def test_data_without_foreground_are_refused(tiny_cfg):
    cfg = tiny_cfg(STATIONARY, "model.anchor_matcher.thresholds=[.98,.99]", "+model.anchor_matcher.labels=[0,-1,1]")
    cfg.model.anchor_matcher.allow_low_quality_matches = False
    with pytest.raises(DataError, match="no anchor of the first 8 training images is assigned to an object"):
        resolve_prior(cfg)


def test_a_loss_without_such_a_score_is_refused(tiny_cfg):
    with pytest.raises(ValueError, match="GHMCLoss weights every anchor.*set model.head.prior_prob to a number"):
        resolve_prior(tiny_cfg(STATIONARY, "model.cls_loss=${losses.ghm}"))


def test_a_number_is_left_as_it_is(tiny_cfg):
    cfg = tiny_cfg("model.head.prior_prob=.02")
    assert resolve_prior(cfg) == "" and cfg.model.head.prior_prob == 0.02


@pytest.mark.parametrize("value", ["stationery", "'0.01'", "true"])
def test_other_values_of_the_key_are_refused(value):
    with pytest.raises(ConfigError, match="model.head.prior_prob=.*the key holds a (number or 'stationary'|float)"):
        get_config(QUICK, [f"model.head.prior_prob={value}"])


def test_the_word_can_be_replaced_by_a_number():
    cfg = get_config(QUICK, [STATIONARY, "model.head.prior_prob=.02"])
    assert cfg.model.head.prior_prob == 0.02
    with pytest.raises(ConfigError, match="a number or 'stationary'"):
        get_config(QUICK, [STATIONARY, "model.head.prior_prob=stationery"])


@pytest.mark.parametrize("prior, message", [("stationary", "has to be replaced by a number"), ("low", "got 'low'")])
def test_a_head_alone_needs_a_number(prior, message):
    with pytest.raises(ValueError, match=f"model.head.prior_prob.*{message}"):
        PluggableRetinaNetHead(
            input_shape=[ShapeSpec(channels=8)],
            num_classes=3,
            num_anchors=1,
            cls_loss=SigmoidFocalLoss(),
            prior_prob=prior,
        )


def test_a_yacs_config_needs_a_number():
    cfg = get_cfg()
    add_retina_plugin_config(cfg)
    cfg.MODEL.RETINANET.PRIOR_PROB = "stationary"
    with pytest.raises(ValueError, match="MODEL.RETINANET.PRIOR_PROB='stationary' has to be replaced by a number"):
        PluggableRetinaNetHead(cfg, [ShapeSpec(channels=8)])


def test_the_number_is_that_of_the_loss_of_the_head(tiny_cfg):
    cfg = tiny_cfg(STATIONARY, "model.cls_loss=${losses.softmax_ce}")
    set_stationary_prior(cfg, 0.004)
    assert cfg.model.head.prior_prob == pytest.approx(3 * 0.004, rel=1e-5)
    focal = tiny_cfg(STATIONARY)
    set_stationary_prior(focal, 0.004)
    assert focal.model.head.prior_prob == pytest.approx(stationary_prob(SigmoidFocalLoss(), 3, 0.004), rel=1e-5)
