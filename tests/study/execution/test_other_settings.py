"""A report names runs that were trained with other settings than it tells of."""

import json

import pytest
from studies import CE, HOOK, untrained_study

from retina_plugin.files import write_json
from retina_plugin.study import load_study
from retina_plugin.study.execution.matching import matched_keys
from retina_plugin.study.execution.results import found_results, other_settings

VARIANTS = {"focal": [], "ce": [CE, HOOK], "third": ["model.head.prior_prob=stationary"]}


@pytest.fixture
def study(tmp_path):
    return untrained_study(tmp_path, VARIANTS)


def told(study, **options):
    now = load_study(study.output_dir.parent / "study.py", **options)
    return other_settings(now, found_results(now))


def test_runs_of_these_settings_are_not_named(study):
    assert told(study) == [] == told(study, overrides=["train.log_period=5", "train.device=cpu"])


def test_another_override_and_another_variant_are_named(study):
    focal, ce, third = told(study, overrides=["train.max_iter=9"])
    assert focal == "focal, seed 0 was trained with other settings than these: train.max_iter was 24, not 9"
    path = study.output_dir.parent / "study.py"
    path.write_text(path.read_text().replace(CE, "model.cls_loss_weight=0.5"))
    (ce,) = told(study)
    assert ce.startswith("ce, seed 0 was trained") and "SigmoidCrossEntropyLoss, not retina_plugin" in ce


def test_matched_values_are_those_of_a_study_that_matches(study):
    path = study.run_dir("ce", 0) / "facts.json"
    facts = json.loads(path.read_text())
    facts["config"]["model.cls_loss_weight"] = "0.28"
    write_json(path, facts)
    assert told(study, match=["scale"]) == []
    assert told(study) == [
        "ce, seed 0 was trained with other settings than these: model.cls_loss_weight was 0.28, not absent"
    ]


def test_a_value_that_matching_leaves_as_it_is_is_not_matched(study):
    now = load_study(study.output_dir.parent / "study.py", match=["scale", "clip"])
    clip, weight = "train.clip_grad_norm", "model.cls_loss_weight"
    assert matched_keys(now, "ce", {clip: "10.0"}) == {clip, weight} and not matched_keys(now, "focal", {clip: "10.0"})
    assert matched_keys(now, "ce", {clip: "None"}) == {weight}
    scale = {"loss_cls": 1.0, "grad_norm": 2.0, "factor": 1.0, "clip_factor": 1.0}
    write_json(study.output_dir / "scales.json", {"ce": scale})
    assert matched_keys(now, "ce", {clip: "10.0"}) == set()
