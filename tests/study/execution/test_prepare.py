"""What a run is does not depend on which others run with it."""

import pytest
from conftest import QUICK, TINY
from studies import CE, tiny_study

from retina_plugin.config import ConfigError, load_config
from retina_plugin.engine.reliability.config_values import config_values
from retina_plugin.engine.setup import build_model
from retina_plugin.study import load_study
from retina_plugin.study.execution.fingerprint import changes, run_facts
from retina_plugin.study.execution.prepare import make_job, prepare

VARIANTS = {
    "focal": [],
    "ce": [CE],
    "pafpn": ["model.backbone._target_=retina_plugin.modeling.PAFPN"],
}


def fingerprints(study):
    prepared = prepare(study, threads=1)
    assert not prepared.failed
    return {job.key: job.fingerprint for job in prepared.jobs}


def test_a_part_of_a_study_has_the_same_runs(tmp_path):
    whole = tiny_study(tmp_path, VARIANTS, max_iter=1, seeds=[3, 4], match_scale=True)
    known = fingerprints(whole)
    assert set(known) == {(name, seed) for name in VARIANTS for seed in (3, 4)}
    assert len(set(known.values())) == len(known)
    path, folder = tmp_path / "study.py", tmp_path / "elsewhere"
    for seeds, only in [([4], ["pafpn"]), ([4, 3], ["ce", "pafpn"])]:
        part = load_study(path, seeds, only, folder)
        assert part.reference == only[0] and part.partner.name == "focal"
        expected = {(v, s): known[v, s] for v in only for s in seeds}
        assert fingerprints(part) == expected


def test_variants_that_matching_makes_equal_are_named(tmp_path, caplog):
    variants = {"fixed": [], "own": ["model.head.prior_prob=stationary"], "again": []}
    prepare(tiny_study(tmp_path, variants), threads=1)
    assert "train the same config" not in caplog.text  # the same overrides are a comparison of seeds by intention
    prepare(tiny_study(tmp_path, variants, match=["prior"]), threads=1)
    assert "fixed and own train the same config, although their overrides differ (matched: prior)" in caplog.text


def test_the_file_of_a_run_holds_its_config(tmp_path):
    study = tiny_study(tmp_path, {"ce": [CE]})
    job = make_job(study, study.variants[0], 0, threads=1)
    job.write_config()
    written = load_config(job.config_file)
    assert config_values(written) == config_values(job.config)
    ours, theirs = (build_model(cfg).state_dict() for cfg in (job.config, written))
    assert all(ours[name].equal(theirs[name]) for name in ours)  # built in the same order


def test_a_class_that_a_config_file_defines_is_refused(tmp_path):
    base = f"""
from detectron2.config import LazyCall as L
from detectron2.modeling import FPN
from retina_plugin import get_config

class Mine(FPN):
    pass

_base = get_config({QUICK!r}, {TINY!r})
model, dataloader, train, optimizer = _base.model, _base.dataloader, _base.train, _base.optimizer
lr_multiplier, losses, box_losses, synthetic = _base.lr_multiplier, _base.losses, _base.box_losses, _base.synthetic
model.backbone._target_ = Mine
"""
    (tmp_path / "base.py").write_text(base)
    (tmp_path / "study.py").write_text("study = dict(base='base.py', variants=dict(mine=[]))")
    study = load_study(tmp_path / "study.py", output_dir=tmp_path / "out")
    with pytest.raises(ConfigError, match="Mine.*cannot be imported.*into a module"):
        make_job(study, study.variants[0], 0, threads=1)


def test_a_checkpoint_of_the_config_counts_by_its_content(tmp_path):
    start = tmp_path / "start.pth"
    start.write_bytes(b"before")
    study = tiny_study(tmp_path / "study", {"a": []})
    cfg = study.run_config(study.variants[0], 0)
    cfg.train.init_checkpoint = str(start)
    before = run_facts(cfg, 1)
    assert run_facts(cfg, 1) == before
    start.write_bytes(b"trained again")
    assert changes(before, run_facts(cfg, 1))[0].startswith("data train.init_checkpoint: ")
