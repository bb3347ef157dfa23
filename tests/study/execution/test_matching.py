"""`match` of a study: runs that are alike in start, scale and clipping."""

import json
import math
import runpy
import sys

import pytest
import torch
from conftest import ROOT
from detectron2.utils.events import EventStorage
from studies import CE, tiny_study

from retina_plugin.config import ConfigError, load_config
from retina_plugin.engine import run_data
from retina_plugin.engine.setup import build_model
from retina_plugin.modeling.losses import SigmoidFocalLoss, stationary_prob
from retina_plugin.study import load_study
from retina_plugin.study.execution import matching
from retina_plugin.study.execution.prepare import prepare
from retina_plugin.study.execution.scales import first_batch, loss_scale, total_norm
from retina_plugin.study.spec.study import MATCHED_SCALE
from retina_plugin.study.spec.study_file import read_match

VARIANTS = {"focal": [], "ce": [CE]}
CLIP = "train.clip_grad_norm=10"
PRIOR = "model.head.prior_prob"


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    monkeypatch.setattr(run_data, "_MOST_IMAGES", 32)


def prepared(study):
    found = prepare(study, threads=1)
    assert not found.failed
    return {job.key: job for job in found.jobs}


def test_every_variant_starts_at_the_stationary_score_of_its_loss(tmp_path, monkeypatch):
    variants = VARIANTS | {"own": [CE, f"{PRIOR}=.3"]}
    jobs = prepared(tiny_study(tmp_path, variants, match=["prior"], seeds=[1]))
    for seed in (1,):
        share = run_data.measure_foreground_share(jobs["ce", seed].config)
        expected = {"focal": stationary_prob(SigmoidFocalLoss(), 3, share), "ce": share, "own": 0.3}
        for name, prob in expected.items():
            job = jobs[name, seed]
            written = load_config(job.config_file)
            assert written.model.head.prior_prob == pytest.approx(prob, rel=1e-5)
            assert job.facts["config"][PRIOR] == str(written.model.head.prior_prob)
            weights = written.train.init_checkpoint  # empty for those that draw the partner's
            bias = (
                torch.load(weights)["model"]["head.cls_score.bias"]
                if weights
                else build_model(written).head.cls_score.bias
            )
            assert torch.allclose(bias, torch.tensor(math.log(prob / (1 - prob))), atol=1e-4)


def test_the_share_is_measured_once_for_all_losses(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(matching, "_shares", {})
    monkeypatch.setattr(matching, "measure_foreground_share", lambda cfg: calls.append(cfg.train.seed) or 1e-3)
    anchors = ["model.anchor_generator.octave_base_scale=3", CE]
    prepared(tiny_study(tmp_path, VARIANTS | {"small": anchors}, match=["prior"], seeds=[0, 1]))
    assert sorted(calls) == [0, 0, 1, 1]


def test_the_scale_of_one_variant_can_be_matched_alone(tmp_path):
    variants = VARIANTS | {"ce_matched": [CE, MATCHED_SCALE]}
    jobs = prepared(tiny_study(tmp_path, variants, seeds=[0]))
    weights = {name: load_config(job.config_file).model.get("cls_loss_weight", 1.0) for (name, _), job in jobs.items()}
    norms = {name: loss_scale(jobs[name, 0].config)["grad_norm"] for name in variants}
    assert weights["focal"] == weights["ce"] == 1.0 and weights["ce_matched"] < 1.0
    assert norms["ce"] > 3 * norms["focal"] and norms["ce_matched"] == pytest.approx(norms["focal"], rel=1e-4)
    scales = json.loads((tmp_path / "out/scales.json").read_text())
    assert scales["ce"]["factor"] == 1.0 and scales["ce_matched"]["factor"] == weights["ce_matched"]


def test_the_gradients_are_those_of_a_training_step(tmp_path):
    study = tiny_study(tmp_path, VARIANTS)
    cfg = study.run_config(study.variants[1], 0)
    measured = loss_scale(cfg)
    batch = first_batch(cfg)

    def norm_of(*names):
        model = build_model(cfg)
        with EventStorage():
            losses = model(batch)
        sum(losses[name] for name in names).backward()
        return torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm().item()

    assert measured["grad_norm"] == norm_of("loss_cls")
    assert measured["grad_norm_box"] == pytest.approx(norm_of("loss_box_reg"), rel=1e-6)
    assert total_norm(measured, factor=1.0) == pytest.approx(norm_of("loss_cls", "loss_box_reg"), rel=1e-4)


@pytest.mark.parametrize("match", [["clip"], ["prior", "scale", "clip"]])
def test_variants_are_clipped_at_the_same_multiple_of_their_first_gradient(match, tmp_path):
    study = tiny_study(tmp_path, VARIANTS | {"free": [CE, "train.clip_grad_norm=null"]}, match=match)
    study = load_study(tmp_path / "study.py", overrides=[CLIP])
    jobs = prepared(study)
    scales = json.loads((study.output_dir / "scales.json").read_text())
    assert scales["focal"]["clip_factor"] == 1
    thresholds = {name: job.config.train.clip_grad_norm for (name, _), job in jobs.items()}
    assert thresholds["free"] is None and thresholds["focal"] == 10
    norms = {}
    for name in VARIANTS:
        norms[name] = total_norm(loss_scale(jobs[name, 0].config), factor=1.0)  # with the weight that the job has
    assert thresholds["ce"] / norms["ce"] == pytest.approx(10 / norms["focal"], rel=1e-4)
    assert jobs["ce", 0].facts["config"]["train.clip_grad_norm"] == str(thresholds["ce"])
    if "scale" in match:
        assert jobs["ce", 0].config.model.cls_loss_weight == scales["ce"]["factor"] != 1


def test_all_ways_to_ask_for_matching(tmp_path):
    def read(content, **arguments):
        return read_match(content, arguments.get("match"), arguments.get("match_scale"))

    assert read({}) == ()
    assert read({"match_scale": True}) == read({}, match_scale=True) == read({}, match=["scale"]) == ("scale",)
    both = {"match": ["clip", "prior"]}
    assert read(both) == read(both, match_scale=False) == ("prior", "clip")
    assert read(both, match_scale=True) == ("prior", "scale", "clip")
    assert read(both, match=["scale"]) == ("scale",) and read(both, match=[]) == ()
    assert tiny_study(tmp_path, VARIANTS, match_scale=True).match_scale


@pytest.mark.parametrize("match", [["loss"], "prior"])
def test_unknown_names_are_refused(tmp_path, match):
    with pytest.raises(ConfigError, match="match must be a list of .'prior', 'scale', 'clip'."):
        tiny_study(tmp_path, VARIANTS, match=match)


def test_a_loss_without_a_stationary_score_needs_its_own_number(tmp_path):
    ghm = ["model.cls_loss=${losses.ghm}"]
    with pytest.raises(ValueError, match="GHMCLoss.*set model.head.prior_prob to a number"):
        prepare(tiny_study(tmp_path, {"ghm": ghm}, match=["prior"]), threads=1)
    prepared(tiny_study(tmp_path, {"ghm": [*ghm, f"{PRIOR}=.01"]}, match=["prior"]))


@pytest.mark.parametrize(
    "flags, match", [(["--match", "clip", "prior"], ("prior", "clip")), (["--match-scale"], ("scale",)), ([], ())]
)
def test_the_command_line_chooses_what_is_matched(flags, match, tmp_path, monkeypatch):
    tiny_study(tmp_path, VARIANTS)
    asked = []
    monkeypatch.setattr("retina_plugin.commands.ablate.ablate", lambda study, *_: asked.append(study.match))
    monkeypatch.setattr(sys, "argv", ["ablate", "--study", str(tmp_path / "study.py"), *flags, CLIP])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "tools/ablate.py"), run_name="__main__")
    assert asked == [match]
