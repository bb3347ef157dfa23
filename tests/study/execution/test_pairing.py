"""Variants of a study begin with the same weights."""

import json
import re

import pytest
import torch
from studies import CE, tiny_study

from retina_plugin.engine import RunCheckpointer
from retina_plugin.engine.setup import build_model
from retina_plugin.study import run_study
from retina_plugin.study.execution.pairing import pair_weights, shared_start
from retina_plugin.study.execution.prepare import make_job

VARIANTS = {
    "focal": [],
    "ce": [CE],
    "ce_without_prior": [CE, "model.head.prior_prob=0.5"],
    "softmax_ce": ["model.cls_loss=${losses.softmax_ce}"],
    "pafpn": ["model.backbone._target_=retina_plugin.modeling.PAFPN"],
}


def test_what_is_drawn_is_shared_and_what_is_set_is_kept():
    drawn, other, third = torch.randn(3, 4)
    own = {"conv": drawn, "bias": torch.zeros(2), "mine": drawn, "wide": torch.randn(6)}
    redrawn = own | {"conv": other, "mine": other, "wide": torch.randn(6)}
    reference = {"conv": third, "bias": torch.ones(2), "wide": torch.randn(5)}
    begin = shared_start(own, redrawn, reference)
    assert begin["conv"] is third
    assert all(begin[name] is own[name] for name in ("bias", "mine", "wide"))


def begin(cfg):
    model = build_model(cfg)
    RunCheckpointer(model).load_some(cfg.train.init_checkpoint)
    return model.state_dict()


def test_all_variants_begin_alike_where_shapes_allow(tmp_path):
    study = tiny_study(tmp_path, VARIANTS)
    jobs = {v.name: make_job(study, v, 3, 1) for v in study.variants}
    paired = pair_weights(list(jobs.values()), jobs["focal"])
    assert pair_weights(list(jobs.values()), jobs["focal"]) == paired
    states = {}
    for job, started in zip(jobs.values(), paired, strict=True):
        assert (started is job) == (job.variant not in ("softmax_ce", "pafpn"))
        states[job.variant] = begin(started.config)
    reference = states["focal"]
    for name, state in states.items():
        differ = {k for k, v in state.items() if k in reference and not torch.equal(v, reference[k])}
        expected = {
            "ce_without_prior": {"head.cls_score.bias"},
            "softmax_ce": {"head.cls_score.weight", "head.cls_score.bias"},
        }
        assert differ == expected.get(name, set())
    assert not states["ce_without_prior"]["head.cls_score.bias"].any()


def test_runs_begin_there_and_are_known_by_it(tmp_path):
    study = tiny_study(tmp_path, {k: VARIANTS[k] for k in ("focal", "pafpn")}, max_iter=1)
    assert not [r.error for r in run_study(study) if r.error]
    folder = study.run_dir("pafpn", 0)
    facts = json.loads((folder / "facts.json").read_text())
    known = json.loads(folder.with_name("seed0.initial.json").read_text())
    assert facts["start"]["weights"] == known["weights"] != ""
    log = folder.with_name("seed0.log").read_text()
    assert re.search(rf"(\d+) of \1 tensors from {folder}.initial.pth: ", log)


def test_a_variant_that_cannot_be_built_is_left_to_its_run(tmp_path, caplog):
    broken = "model.backbone.top_block.in_channels=7"
    study = tiny_study(tmp_path, {"focal": [], "broken": [broken]})
    focal, job = (make_job(study, v, 0, 1) for v in study.variants)
    assert pair_weights([job], focal) == [job]
    assert "broken, seed 0 cannot be given the weights of focal, seed 0" in caplog.text


def test_weights_that_cannot_be_written_stop_the_study(tmp_path):
    study = tiny_study(tmp_path, {k: VARIANTS[k] for k in ("focal", "pafpn")})
    focal, pafpn = (make_job(study, v, 0, 1) for v in study.variants)
    pafpn.sibling_path(".initial.pth").mkdir(parents=True)
    with pytest.raises(OSError, match="seed0.initial.pth"):
        pair_weights([pafpn], focal)
