"""Runs that failed, diverged or collapsed are outcomes of a variant."""

import math

import numpy as np
import pytest
from planted import plant_study
from scipy import stats

from retina_plugin.study import compare_seeds, write_report
from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.spec.metrics import COCO_METRICS
from retina_plugin.study.statistics.measurements import Measurements
from retina_plugin.study.statistics.outcomes import exact_interval, find_collapsed
from retina_plugin.study.statistics.verdict import judge

AP = COCO_METRICS[0]


@pytest.mark.parametrize(("number", "total"), [(0, 3), (1, 3), (3, 3), (1, 10), (7, 20)])
def test_the_interval_of_a_share_is_that_of_clopper_and_pearson(number, total):
    theirs = stats.binomtest(number, total).proportion_ci(method="exact")
    assert exact_interval(number, total) == pytest.approx((theirs.low, theirs.high))


def test_no_run_leaves_a_share_unknown():
    assert exact_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "higher", "collapsed"),
    [
        ([30, 31, 0.2], True, (2,)),
        ([30, 31, 29], True, ()),
        ([30, 31, 14, 32], True, (2,)),
        ([0, 0.1, 0], True, (0, 2)),
        ([0, 0, 0], True, ()),
        ([30], True, ()),
        ([0.5, 0.4, 2.0], False, (2,)),
        ([-1, 2, 3], True, ()),
    ],
)
def test_a_run_far_below_the_others_collapsed(values, higher, collapsed):
    assert find_collapsed(dict(enumerate(values)), higher) == collapsed


def measured(a, b):
    return Measurements(
        [
            RunResult(name, seed, "", 1.0, {AP.key: value or 0.0}, "killed" if value is None else "")
            for name, values in (("a", a), ("b", b))
            for seed, value in enumerate(values)
        ]
    )


def test_the_share_of_bad_runs_has_an_interval():
    outcomes = measured([30, 31, 0.1, None, math.nan], [30, 31, 32, 33, 34]).outcomes("a", AP)
    assert (outcomes.failed, outcomes.not_finite, outcomes.collapsed) == ((3,), (4,), (2,))
    assert (outcomes.low, outcomes.high) == exact_interval(3, 5)


def test_a_metric_that_no_run_has_is_no_divergence():
    runs = measured([math.nan] * 3, [math.nan] * 3)
    assert runs.outcomes("a", AP).num_bad == 0


def test_a_collapsed_run_is_flagged_in_verdict_and_comparison():
    a, b = [30.0, 31.0, 0.2], [25.0, 26.0, 27.0]
    (verdict,) = judge(measured(a, b), [Hypothesis("a", "b")])
    assert verdict.flags == ("a: seed 2 collapsed",) and compare_seeds(a, b).flags == ["a: seed 2 collapsed"]
    assert verdict.outcome == "not distinguishable"


def test_a_verdict_says_how_rare_collapses_must_be():
    (verdict,) = judge(measured([30.0, 31, 32], [33.3, 34.3, 35.4]), [Hypothesis("b", "a")])
    assert verdict.outcome == "better"  # by 3.33 of 34.33
    assert "0 of 3 runs of b failed or collapsed, and up to 71 % could. If one in 10 collapsed" in verdict.text
    (verdict,) = judge(measured([3.0, 3.1, 3.2], [33.3, 34.3, 35.4]), [Hypothesis("b", "a")])
    assert verdict.outcome == "better" and "collapsed" not in verdict.text


def test_the_report_shows_the_interval_of_every_variant(tmp_path, trained_run, unseen_figures):
    study, results = plant_study(tmp_path, trained_run)
    page = write_report(study, results, num_images=0)
    for form in (page.read_text(), page.with_suffix(".md").read_text()):
        assert "focal 0 of 3 (0 to 71 %); ce 0 of 3 (0 to 71 %); broken 3 of 3 (29 to 100 %)" in form


def test_simulated_collapses_are_flagged_or_not_called():
    """b reaches 0 in one of ten runs and has the mean of a; a study in which it was seen to must not be called."""
    rng, called, seen = np.random.default_rng(0), 0, 0
    for _ in range(400):
        b = np.where(rng.random(4) < 0.1, 0.0, rng.normal(30 / 0.9, 0.7, 4))
        found = compare_seeds(b, rng.normal(30, 0.7, 4))
        if (b == 0).any():
            seen += 1
            called += found.outcome in ("better", "worse") and not found.flags
    assert seen > 100 and called == 0
