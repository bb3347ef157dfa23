"""`match` of a study: runs that are alike in start, scale and clipping."""

import functools
import json
import math
import runpy
import sys
from dataclasses import replace

import pytest
import torch
from conftest import QUICK, ROOT, TINY
from detectron2.utils.events import EventStorage
from omegaconf import OmegaConf
from studies import CE, tiny_study

from retina_plugin.config import ConfigError, load_config
from retina_plugin.engine import prior
from retina_plugin.engine.setup import build_model
from retina_plugin.modeling.losses import SigmoidFocalLoss, stationary_prob
from retina_plugin.study.execution import matching, scales
from retina_plugin.study.execution.job import Job
from retina_plugin.study.execution.matching import match_gradients
from retina_plugin.study.execution.prepare import make_job, prepare
from retina_plugin.study.execution.scales import first_batch, loss_scale, read_scales, total_norm
from retina_plugin.study.spec.study import MATCHED_SCALE, Study, Variant
from retina_plugin.study.spec.study_file import read_match

VARIANTS = {"focal": [], "ce": [CE]}
FOCAL = Variant("focal", ())
CLIP = "train.clip_grad_norm=10"
PRIOR = "model.head.prior_prob"


def prepared(study):
    found = prepare(study, threads=1)
    assert not found.failed
    return {job.key: job for job in found.jobs}


def test_every_variant_starts_at_the_stationary_score_of_its_loss(tmp_path):
    variants = VARIANTS | {"own": [CE, f"{PRIOR}=.3", CLIP]}
    jobs = prepared(tiny_study(tmp_path, variants, match=["prior", "clip"], seeds=[1]))
    share = prior.measure_foreground_share(jobs["ce", 1].config)
    expected = {"focal": stationary_prob(SigmoidFocalLoss(), 3, share), "ce": share, "own": 0.3}
    for name, prob in expected.items():
        job = jobs[name, 1]
        written = load_config(job.config_file)
        assert written.model.head.prior_prob == pytest.approx(prob, rel=1e-5)
        assert job.facts["config"][PRIOR] == str(written.model.head.prior_prob)
        weights = written.train.init_checkpoint  # empty for those that draw the partner's
        bias = (
            torch.load(weights)["model"]["head.cls_score.bias"] if weights else build_model(written).head.cls_score.bias
        )
        assert torch.allclose(bias, torch.tensor(math.log(prob / (1 - prob))), atol=1e-4)


def test_the_share_is_measured_once_for_all_losses(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(matching, "_shares", {})
    monkeypatch.setattr(matching, "measure_foreground_share", lambda cfg: calls.append(cfg.train.seed) or 1e-3)
    study = tiny_study(tmp_path, VARIANTS | {"small": ["model.anchor_generator.octave_base_scale=3", CE]})
    for variant in study.variants:
        for seed in (0, 1, 0):
            matching.foreground_share(study.run_config(variant, seed))
    assert sorted(calls) == [0, 0, 1, 1]  # with other anchors, the share is another one


def test_the_scale_of_one_variant_can_be_matched_alone(tmp_path):
    others = [Variant("ce", (CE,)), Variant("ce_matched", (CE, MATCHED_SCALE))]
    study = Study(QUICK, (FOCAL, *others), (0,), "focal", FOCAL, 0, tmp_path, tuple(TINY))
    jobs = [make_job(study, variant, 0, 1) for variant in study.variants]
    norms = {"loss_cls": 1.0, "grad_norm_box": 3.0, "grad_dot": 0.0}
    scales = {j.variant: norms | {"digest": j.fingerprint, "factor": 1.0, "grad_norm": 40.0} for j in jobs}
    scales["focal"]["grad_norm"] = 4.0
    (tmp_path / "scales.json").write_text(json.dumps(scales))
    matched, failed = match_gradients(study, jobs, jobs)
    assert [job.config.model.get("cls_loss_weight", 1.0) for job in matched] == pytest.approx([1.0, 1.0, 0.1])
    assert failed == {}


def test_scales_that_lack_a_part_count_as_unknown(tmp_path):
    scale = {"loss_cls": 1.0, "grad_norm": 4.0, "factor": 1.0, "grad_norm_total": 5.0, "grad_dot": 0.0}
    (tmp_path / "scales.json").write_text(json.dumps({"focal": scale}))
    assert read_scales(tmp_path) == {}


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


class OtherLosses(torch.nn.Module):
    """A detector such as FCOS, which names its losses differently."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, batch):
        return {"loss_fcos_cls": self.weight.sum(), "loss_fcos_loc": self.weight.prod()}


def test_a_detector_with_other_losses_has_no_scale(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(scales, "initial_model", lambda cfg: OtherLosses())
    study = tiny_study(tmp_path, VARIANTS)
    job = make_job(study, study.variants[0], 0, 1)
    assert scales.measure_scales(tmp_path, [job], "focal", study.is_scaled) == {}
    assert "its losses are ['loss_fcos_cls', 'loss_fcos_loc']" in caplog.text


def test_scale_comes_before_clip(tmp_path):
    study = Study(QUICK, (FOCAL,), (0,), "focal", FOCAL, 0, tmp_path, match=("scale", "clip"))
    config = OmegaConf.create({"model": {"cls_loss_weight": 1.0}, "train": {"clip_grad_norm": 10.0}})
    free = OmegaConf.create({"model": {"cls_loss_weight": 1.0}, "train": {"clip_grad_norm": None}})
    facts = {"config": {"model.cls_loss_weight": "1.0"}}
    make = functools.partial(Job, seed=0, run_dir=tmp_path, facts=facts, threads=1, cwd=tmp_path)
    jobs = [make("focal", config=config), make("ce", config=config), make("free", config=free)]
    norms = {"loss_cls": 1.0, "grad_norm_box": 3.0, "grad_dot": 0.0, "digest": jobs[0].fingerprint, "factor": 1.0}
    scales = {
        "focal": norms | {"grad_norm": 4.0},
        "ce": norms | {"grad_norm": 40.0},
        "free": norms | {"grad_norm": 40.0},
    }
    (tmp_path / "scales.json").write_text(json.dumps(scales))
    focal, ce, free = match_gradients(study, jobs, jobs)[0]
    assert ce.config.model.cls_loss_weight == pytest.approx(0.1) and focal is jobs[0]
    assert ce.config.train.clip_grad_norm == 10 and free.config.train.clip_grad_norm is None  # equal norms by then
    clip_only = match_gradients(replace(study, match=("clip",)), jobs, jobs)[0]
    assert clip_only[1].config.train.clip_grad_norm == pytest.approx(10 * (40**2 + 9) ** 0.5 / 5, rel=1e-5)


def test_all_ways_to_ask_for_matching(tmp_path):
    def read(content, **arguments):
        return read_match(content, arguments.get("match"), arguments.get("match_scale"))

    assert read({}) == ()
    assert read({"match_scale": True}) == read({}, match_scale=True) == read({}, match=["scale"]) == ("scale",)
    both = {"match": ["clip", "prior"]}
    assert read(both) == read(both, match_scale=False) == ("prior", "clip")
    assert read(both, match_scale=True) == ("prior", "scale", "clip")
    assert read(both, match=["scale"]) == ("scale",) and read(both, match=[]) == ()
    assert tiny_study(tmp_path, VARIANTS, match_scale=True).match == ("scale",)


@pytest.mark.parametrize("match", [["loss"], "prior"])
def test_unknown_names_are_refused(tmp_path, match):
    with pytest.raises(ConfigError, match="match must be a list of .'prior', 'scale', 'clip'."):
        tiny_study(tmp_path, VARIANTS, match=match)


def test_a_loss_without_a_stationary_score_is_refused_before_training(tmp_path):
    ghm = ["model.cls_loss=${losses.ghm}"]
    with pytest.raises(ValueError, match="GHMCLoss.*set model.head.prior_prob to a number"):
        prepare(tiny_study(tmp_path, {"ghm": ghm}, match=["prior"]), threads=1)


@pytest.mark.parametrize(
    "flags, match", [(["--match", "clip", "prior"], ("prior", "clip")), (["--match-scale"], ("scale",))]
)
def test_the_command_line_chooses_what_is_matched(flags, match, tmp_path, monkeypatch):
    tiny_study(tmp_path, VARIANTS)
    asked = []
    monkeypatch.setattr("retina_plugin.commands.ablate.ablate", lambda study, *_: asked.append(study.match))
    monkeypatch.setattr(sys, "argv", ["ablate", "--study", str(tmp_path / "study.py"), *flags, CLIP])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "tools/ablate.py"), run_name="__main__")
    assert asked == [match]
