"""Runs that `--only` leaves out count for p-values if they belong to the study that is reported, and only then."""

import json

import pytest
from studies import CE, HOOK, untrained_study

from retina_plugin.files import write_json
from retina_plugin.study import load_study
from retina_plugin.study.execution.results import found_results, hidden_results

VARIANTS = {"focal": [], "ce": [CE, HOOK], "third": ["model.head.prior_prob=stationary"]}


@pytest.fixture
def study(tmp_path):
    return untrained_study(tmp_path, VARIANTS)


def hidden(study, only=("focal",), **options):
    part = load_study(study.output_dir.parent / "study.py", only=list(only), **options)
    return [r.variant for r in hidden_results(part, found_results(part))]


def change(study, variant, part, **values):
    path = study.run_dir(variant, 0) / "facts.json"
    facts = json.loads(path.read_text())
    write_json(path, facts | {part: facts[part] | values})


def test_runs_of_the_same_study_count(study):
    assert hidden(study) == ["ce", "third"] and hidden(study, ["focal", "ce"]) == ["third"]


@pytest.mark.parametrize(
    ("part", "key"), [("config", "train.max_iter"), ("data", "train.0"), ("code", "torch"), ("threads", "of a run")]
)
def test_runs_of_other_settings_data_or_code_do_not(study, part, key):
    change(study, "ce", part, **{key: "another"})
    assert hidden(study) == ["third"]


def test_a_value_that_the_study_no_longer_gives_does_not(study):
    change(study, "third", "config", **{"model.head.prior_prob": "0.02"})
    assert hidden(study) == ["ce"]


def test_a_hidden_variant_whose_overrides_no_longer_fit_does_not(study, caplog):
    path = study.output_dir.parent / "study.py"
    path.write_text(path.read_text().replace("model.head.prior_prob=stationary", "model.head.prior=0.02"))
    assert hidden(study) == ["ce"] and "runs of third do not count in corrections" in caplog.text


def test_runs_that_are_not_matched_do_not_count_in_a_study_that_matches(study):
    assert hidden(study, ["focal"], match=["scale"]) == []
    change(study, "ce", "config", **{"model.cls_loss_weight": "0.28"})
    assert hidden(study, ["focal"], match=["scale"]) == ["ce"] and hidden(study) == ["third"]


def test_runs_that_matching_leaves_as_they_are_count(study):
    assert hidden(study, ["focal"], match=["clip"]) == []
    scale = {"loss_cls": 1.0, "grad_norm": 2.0, "factor": 1.0, "clip_factor": 1.0}
    write_json(study.output_dir / "scales.json", {"ce": scale})
    assert hidden(study, ["focal"], match=["clip"]) == ["ce"]


def test_an_earlier_report_of_other_matching_says_nothing_about_runs_of_now(study, caplog):
    change(study, "ce", "config", **{"model.cls_loss_weight": "0.28"})
    part = load_study(study.output_dir.parent / "study.py", only=["focal"], match=["scale"])
    results = found_results(part)
    write_json(study.output_dir / "report.json", {"facts": {"match": []}})
    assert [r.variant for r in hidden_results(part, results)] == ["ce"] and not caplog.text


def test_runs_without_facts_count_beside_others_without(study):
    (study.run_dir("ce", 0) / "facts.json").unlink()
    assert hidden(study) == ["third"]
    for name in ("focal", "third"):
        (study.run_dir(name, 0) / "facts.json").unlink()
    assert hidden(study) == ["ce", "third"]
