"""What else differs between variants: the ledger of a study, and its warnings."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import QUICK
from planted import plant_study
from studies import CE, tiny_study

from retina_plugin.engine import prior
from retina_plugin.run_folder import CLIPPED, read_metrics
from retina_plugin.study import run_study, write_report
from retina_plugin.study.evidence.by_image import Evidence, collect_evidence
from retina_plugin.study.evidence.matching import Matches, RankedDetections
from retina_plugin.study.execution import confounds as measurement
from retina_plugin.study.execution.prepare import make_job
from retina_plugin.study.report.ledger import collect_ledger, hidden_share
from retina_plugin.study.report.warnings import warn, warn_of_factors
from retina_plugin.study.spec.factors import combine, read_factors
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.spec.study import Study, Variant
from retina_plugin.study.statistics.confounds import Ledger
from retina_plugin.study.statistics.measurements import Measurements

VARIANTS = {"focal": [], "ce": [CE, "model.cls_loss_weight=4"]}
CLIP = "train.clip_grad_norm=1.0"  # between the norms of the two losses


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cache):
    """A small study that has run, and its results."""
    folder = tmp_path_factory.mktemp("ledger")
    hypotheses = [dict(better="focal", than="ce")]
    study = tiny_study(folder, VARIANTS, max_iter=12, hypotheses=hypotheses)
    study = replace(study, overrides=(*study.overrides, CLIP))
    results = run_study(study)
    assert not [r.error for r in results if r.error]
    return study, results


def ledger_of(study, results):
    evidence, _ = collect_evidence(results)
    return {row.variant: row for row in collect_ledger(study, Measurements(results, evidence))}


def test_the_ledger_of_a_study_that_ran(trained):
    study, results = trained
    rows = ledger_of(study, results)
    share = prior.measure_foreground_share(study.run_config(study.variants[1], 0))
    focal, ce = rows["focal"], rows["ce"]
    assert ce.prior_prob == focal.prior_prob == 0.01 and ce.stationary_prob == pytest.approx(share, rel=0.1)
    assert focal.start_distance < 0 < ce.start_distance
    for variant, row in rows.items():
        lines = read_metrics(study.run_dir(variant, 0))
        norms = [line["grad_norm"] for line in lines if "lr" in line]
        assert row.grad_norm == pytest.approx(norms[0], rel=1e-3)
        assert set(row.cls_shares) == {0, 10, 12} and all(0 < share < 1 for share in row.cls_shares.values())
        assert row.last_lr == [line["lr"] for line in lines if "lr" in line][-1] and row.schedule_left == 0
        assert row.threshold == 0 and row.hidden_share == 0
    assert ce.clipped_share > focal.clipped_share
    assert ce.first_cls_share > focal.first_cls_share + 0.1


def test_the_count_of_clipped_updates_is_exact(trained):
    study, _ = trained
    run = study.run_dir("ce", 0)
    lines = [line for line in read_metrics(run) if "lr" in line]
    counts = [line[CLIPPED] for line in lines]  # every iteration is written, norms are smoothed
    assert counts == sorted(counts) and {b - a for a, b in zip(counts, counts[1:], strict=False)} <= {0, 1}
    assert 0 < counts[-1] <= 12


def test_measuring_again_does_nothing_and_leaves_the_runs_alone(trained, monkeypatch):
    study, results = trained
    before = {p: p.stat().st_mtime_ns for p in study.output_dir.glob("*/seed0/*") if p.is_file()}
    monkeypatch.setattr(measurement, "gradient_norms", None)
    monkeypatch.setattr(measurement, "foreground_share", None)
    run_study(study)
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_the_course_is_that_of_the_weights_that_were_trained(trained):
    """Not of their average, at which no gradient was taken."""
    study, _ = trained
    job = make_job(study, study.variants[0], 0, threads=1)
    expected = measurement._course_of(job, job, {})["course"]
    final = job.run_dir / "model_final.pth"
    saved = final.read_bytes()
    content = torch.load(final, weights_only=True)
    average = {name: torch.zeros_like(value) for name, value in content["model"].items()}
    torch.save(content | {"ema": {"model": average, "steps": 3}}, final)
    found = measurement._course_of(job, job, {})["course"]
    final.write_bytes(saved)
    assert found == expected and len(found) == 2


def test_the_report_shows_ledger_and_warnings(trained, unseen_figures):
    study, results = trained
    page = write_report(study, results, num_images=0)
    report = json.loads((study.output_dir / "report.json").read_text())
    said = report["confounds"]
    assert [row["variant"] for row in said["rows"]] == ["focal", "ce"] and said["matched"] == []
    found = "\n".join(said["warnings"])
    assert "focal starts -" in found and "updates clipped, ce" in found
    for text in (page.read_text(), (study.output_dir / "report.md").read_text()):
        assert "What else differs" in text and text.count("Warning:") == len(said["warnings"])


def test_a_study_without_these_measurements_says_nothing(tmp_path, trained_run):
    study, results = plant_study(tmp_path, trained_run, seeds=(0,))
    measurements = Measurements(results, collect_evidence(results)[0])
    rows = {row.variant: row for row in collect_ledger(study, measurements)}
    assert np.isnan(rows["focal"].start_distance) and rows["broken"] == Ledger("broken")
    assert rows["focal"].threshold == rows["focal"].hidden_share == 0
    config = study.run_dir("focal", 0) / "config.yaml"
    config.write_text(config.read_text().replace("test_score_thresh: 0.0", "test_score_thresh: 0.05"))
    cut = collect_ledger(study, measurements)[0]
    assert cut.threshold == 0.05 and np.isnan(cut.hidden_share)  # the evaluation itself dropped them


@pytest.mark.parametrize(
    "content",
    [
        {"focal": 3},
        {"focal": {"course": {"\u00b2": 0.5}}},
        {"focal": {"course": {"10": "x"}}},
        {"focal": {"prior_prob": 2.0, "stationary_prob": 0.1}},
        {"focal": {"unknown": ["x"]}},
    ],
)
def test_a_damaged_file_counts_as_missing(tmp_path, content):
    (tmp_path / measurement.CONFOUNDS).write_text(json.dumps(content))
    assert measurement.read_confounds(tmp_path) == {}


def detections(scores, matched):
    """The evidence of one category with these detections, the first IoU threshold as given."""
    scores, matched = np.array(scores), np.array([matched, [False] * len(scores)])
    ranked = RankedDetections(np.zeros(len(scores), int), scores, matched, np.zeros_like(matched))
    return Evidence(Matches((1,), ("a",), ("all",), np.ones((1, 1, 1)), [[ranked]], np.zeros((2, 101, 1))), {})


def test_hidden_true_positives_are_counted_at_iou_50():
    evidence = detections([0.9, 0.06, 0.04, 0.03, 0.01], [True, True, True, False, True])
    assert hidden_share(evidence, 0.05) == 0.5
    assert np.isnan(hidden_share(detections([0.9], [False]), 0.05))


SAME = Ledger("", 0.01, 0.01, 0.5, "", 1.0, 0.5, {0: 0.5, 10: 0.5}, 0.05, 0.2, 1e-3, 0.1, 0.0)


def study_of(variants, match=()):
    """A study of which only the variants and what it matches matter."""
    variants = tuple(Variant(name, tuple(overrides)) for name, overrides in variants.items())
    return Study(QUICK, variants, (0,), "a", variants[0], 0, Path("nowhere"), match=match)


def halfway(changed, same):
    if isinstance(changed, dict):
        return {key: halfway(value, same[key]) for key, value in changed.items()}
    return (changed + same) / 2


@pytest.mark.parametrize(
    "changed, key, said",
    [
        ({"start_distance": 1.6}, "model.head.prior_prob=.2", "a starts +1.6 logits"),
        ({"grad_norm": 3.1}, "model.cls_loss_weight=2", "a has a gradient of norm 3.1"),
        ({"clipped_share": 0.61}, "train.clip_grad_norm=3", "a had 61% of its updates clipped, b 50%"),
        ({"cls_shares": {0: 0.71, 10: 0.5}}, "model.cls_loss_weight=2", "71% of its gradient at step 0"),
        ({"cls_shares": {0: 0.5, 10: 0.71}}, "model.cls_loss_weight=2", "71% of its gradient at the end"),
        ({"hidden_share": 0.31}, "model.test_score_thresh=.1", "31% of its true positives"),
        ({"last_lr": 1.6e-3}, "optimizer.lr=2", "learning rate of 0.0016"),
        ({"schedule_left": 0.06}, "train.max_iter=9", "6% of its schedule left"),
    ],
)
def test_a_warning_for_each_thing_that_differs_unless_it_is_named(changed, key, said):
    def warnings(overrides, changed):
        study = study_of({"a": overrides, "b": []})
        ledgers = [replace(SAME, variant="a", **changed), replace(SAME, variant="b")]
        return warn(study, ledgers, [Hypothesis("a", "b"), Hypothesis("a", "b")])

    assert warnings([CE], {}) == []
    (text,) = warnings([CE], changed)
    assert said in text
    assert warnings([CE, key], changed) == []
    unknown = dict.fromkeys(changed, float("nan")) | ({"cls_shares": {}} if "cls_shares" in changed else {})
    assert warnings([CE], unknown) == []
    nearly = {name: halfway(value, getattr(SAME, name)) for name, value in changed.items()}
    assert warnings([CE], nearly) == []


def test_a_warning_advises_what_the_study_does_not_match_yet():
    ledgers = [replace(SAME, variant="a", clipped_share=1.0), replace(SAME, variant="b")]
    for match, advice in (((), " (--match clip avoids this)"), (("clip",), "")):
        (text,) = warn(study_of({"a": [CE], "b": []}, match), ledgers, [Hypothesis("a", "b")])
        assert text == f"a had 100% of its updates clipped, b 50%{advice}."


FACTORS = read_factors({"start": {"low": [], "own": ["model.head.prior_prob=.1"]}, "loss": {"focal": [], "ce": [CE]}})


def factorial(changed):
    """The warnings of a study of two factors, of whose variants some have other entries in their ledgers."""
    variants = combine(FACTORS)
    study = replace(study_of(variants), factors=FACTORS)
    return warn_of_factors(study, [replace(SAME, variant=name, **changed.get(name, {})) for name in variants])


def test_a_factor_that_changes_nothing_else_has_no_warning():
    assert factorial({}) == []
    assert factorial({"own-focal": {"start_distance": 5.0}, "own-ce": {"start_distance": 5.0}}) == []  # it names that


def test_a_factor_that_changes_something_else_has_one_warning_for_it():
    (text,) = factorial({"low-ce": {"clipped_share": 1.0}, "own-ce": {"clipped_share": 0.9}})
    assert text == (
        "the effect of loss may have another cause: in 2 of 2 pairs of variants, for example: low-ce had 100% of its "
        "updates clipped, low-focal 50% (--match clip avoids this)."
    )


def test_a_warning_about_a_factor_counts_the_pairs():
    found = factorial({"low-ce": {"start_distance": 5.0}})
    assert len(found) == 1 and "the effect of loss" in found[0] and "in 1 of 2 pairs" in found[0]
