"""Variants of a study begin with the same weights."""

import json

import pytest
import torch
from conftest import get_config
from studies import CE, tiny_study

from retina_plugin.engine import RunCheckpointer
from retina_plugin.engine.setup import build_model
from retina_plugin.study import run_study
from retina_plugin.study.execution import pairing
from retina_plugin.study.execution.pairing import pair_weights, shared_start
from retina_plugin.study.execution.plan import make_job

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
    pairs = [(job, jobs["focal"]) for job in jobs.values()]
    paired = pair_weights(pairs, tmp_path / "log.txt")
    assert pair_weights(pairs, tmp_path / "log.txt") == paired
    states = {}
    for (job, _), begun in zip(pairs, paired, strict=True):
        assert (begun is job) == (job.variant not in ("softmax_ce", "pafpn"))
        states[job.variant] = begin(get_config(job.base, begun.overrides))
    reference = states["focal"]
    for name, state in states.items():
        differ = {
            k for k, v in state.items() if k in reference and not torch.equal(v, reference[k])
        }
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
    assert (
        f"Weights from {folder}.initial.pth; not from there but from the model's own initial ones: none"
        in log
    )


def test_weights_that_could_not_be_prepared_stop_the_study(tmp_path, monkeypatch):
    study = tiny_study(tmp_path, {k: VARIANTS[k] for k in ("focal", "ce")})
    focal, ce = (make_job(study, v, 0, 1) for v in study.variants)
    monkeypatch.setattr(pairing, "run_side_by_side", lambda *_: None)  # killed for want of memory
    with pytest.raises(OSError, match="ce, seed 0 .*log.txt"):
        pair_weights([(ce, focal)], tmp_path / "log.txt")
