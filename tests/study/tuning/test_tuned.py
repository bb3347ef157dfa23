"""A study takes tuned values, says so, and refuses those that do not fit it."""

import json
from dataclasses import replace

import pytest
from conftest import QUICK, TINY
from planted import plant_study
from studies import CE

from retina_plugin.config import ConfigError
from retina_plugin.study import load_study, write_report
from retina_plugin.study.tuning.tuned import config_facts

VARIANTS = {"focal": [], "ce": [CE, "train.clip_grad_norm=5"]}
TUNED = {"focal": ["model.cls_loss.gamma=1.5"], "ce": ["model.head.prior_prob=0.0003", "train.clip_grad_norm=70"]}


@pytest.fixture
def study_file(tmp_path):
    """A study file, with tuned.json beside it; a function that writes both anew with other content."""

    def write(changes=(), **content):
        study = {"base": QUICK, "variants": VARIANTS, "overrides": TINY, "output_dir": str(tmp_path / "out")}
        (tmp_path / "study.py").write_text(f"study = {study | content!r}")
        plain = load_study(tmp_path / "study.py", tuned_by="")
        tuned = {v.name: entry(plain, v) for v in plain.variants} if not changes else changes
        (tmp_path / "tuned.json").write_text(json.dumps(tuned))
        return tmp_path / "study.py"

    return write


def entry(study, variant, **changes):
    return {
        "overrides": TUNED[variant.name],
        "AP": 12.25,
        "default_AP": 10.0,
        "trials": 16,
        "rungs": [[1, 16], [4, 4]],
        "iterations": 32,
        "minutes": 3.0,
        "config": config_facts(study, variant)["config"],
        "runs": [],
    } | changes


def test_tuned_values_stand_before_those_of_the_variant(study_file):
    study = load_study(study_file(tuned_by="tuned.json"))
    focal, ce = (study.run_config(v, 0) for v in study.variants)
    assert focal.model.cls_loss.gamma == 1.5 and ce.model.head.prior_prob == 0.0003
    assert ce.train.clip_grad_norm == 5  # what a variant sets itself stays
    assert study.partner.overrides == ("model.cls_loss.gamma=1.5",)


def test_the_command_line_chooses_and_switches_off(study_file):
    path = study_file()
    assert load_study(path).tuning is None
    assert load_study(path, tuned_by=path.with_name("tuned.json")).tuning["variants"]["ce"]["trials"] == 16
    path = study_file(tuned_by="tuned.json")
    assert load_study(path, tuned_by="").tuning is None


def test_what_does_not_change_training_may_differ(study_file):
    more = ["train.vis_period=7", "dataloader.test.dataset.names.num_images=9", "model.test_score_thresh=0.3"]
    assert load_study(study_file(tuned_by="tuned.json"), seeds=[8], output_dir="elsewhere", overrides=more).tuning


def test_tuned_values_of_another_config_are_refused(study_file):
    path = study_file(tuned_by="tuned.json")
    with pytest.raises(ConfigError, match=r"tuned another config of focal: config train.max_iter: 4 -> 40"):
        load_study(path, overrides=["train.max_iter=40"])


def test_a_missing_variant_and_different_budgets_are_refused(study_file):
    path = study_file()
    focal, ce = load_study(path).variants
    study = load_study(path)
    files = {"focal": entry(study, focal), "ce": entry(study, ce, trials=32)}
    with pytest.raises(ConfigError, match="tuned with different budgets"):
        load_study(study_file(files), tuned_by=path.with_name("tuned.json"))
    with pytest.raises(ConfigError, match="has no variant 'ce', only .*retina tune"):
        load_study(study_file({"focal": files["focal"]}), tuned_by=path.with_name("tuned.json"))
    for asked in ({"match_scale": True}, {"match": ["prior"]}):
        with pytest.raises(ConfigError, match="tuned_by and match both set"):
            load_study(path, tuned_by=path.with_name("tuned.json"), **asked)


@pytest.mark.parametrize("text", ["[]", "{", '{"focal": {"AP": 1}}', None])
def test_files_that_do_not_hold_tuned_values_are_refused(study_file, text):
    path = study_file()
    other = path.with_name("other.json")
    if text is not None:
        other.write_text(text)
    with pytest.raises(ConfigError, match=r"other.json"):
        load_study(path, tuned_by=other)


def test_the_report_says_which_values_and_how_many_trials(tmp_path, trained_run, unseen_figures):
    study, results = plant_study(tmp_path, trained_run)
    shown = {"overrides": ["optimizer.lr=0.002"], "AP": 12.25, "default_AP": 10.0}
    shown |= {"trials": 16, "iterations": 32, "minutes": 3.0}
    variants = {v.name: shown for v in study.variants} | {"ce": shown | {"overrides": []}}
    tuned = replace(study, tuning={"file": "tuned.json", "variants": variants})
    page = write_report(tuned, results, num_images=0)
    text = page.with_suffix(".md").read_text()
    assert "focal is tuned with 16 trials, 32 iterations in all: `optimizer.lr=0.002`, 12.2 AP" in text
    assert "ce is tuned with 16 trials, 32 iterations in all: `the defaults are best`" in text
    assert "<code>optimizer.lr=0.002</code>" in page.read_text() and "<code>tuned.json</code>" in page.read_text()
