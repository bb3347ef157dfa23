"""compare_seeds follows the rule of a study's verdicts, and gives no verdict over surviving runs."""

import math

import pytest
from scipy import stats

from retina_plugin.study import compare_seeds
from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.spec.metrics import Metric
from retina_plugin.study.statistics.measurements import Measurements
from retina_plugin.study.statistics.verdict import judge

LOW, HIGH = [30.0, 31.0, 32.0], [34.0, 35.5, 36.0]


def verdict_of_report(a, b):
    runs = [
        RunResult(name, seed, "", 1.0, {"bbox/AP": value or 0}, "killed" if value is None else "")
        for name, values in (("a", a), ("b", b))
        for seed, value in enumerate(values)
    ]
    return judge(Measurements(runs), [Hypothesis("a", "b")])[0]


@pytest.mark.parametrize(
    ("a", "b", "outcome", "flags"),
    [
        (HIGH, LOW, "better", []),
        (LOW, HIGH, "worse", []),
        (LOW, [31.0, 30.0, 33.0], "not distinguishable", []),
        ([*HIGH, 35.0], [*LOW, None], "no verdict", ["b: seed 3 failed"]),
        ([None, 34.0], [30.0, 30.0], "no verdict", ["a: seed 0 failed", "complete pairs: 1, and a verdict needs 2"]),
        ([34.0], [30.0], "no verdict", ["one seed"]),
        ([], [], "no verdict", ["complete pairs: 0, and a verdict needs 2"]),
    ],
)  # fmt: skip
def test_the_outcome_is_that_of_a_report(a, b, outcome, flags):
    found, expected = compare_seeds(a, b), verdict_of_report(a, b)
    assert found.outcome == expected.outcome == outcome
    assert found.flags == flags
    interval = (expected.difference.low, expected.difference.high)
    assert (found.low, found.high) == pytest.approx(interval, nan_ok=True)
    assert found.p_value == pytest.approx(expected.p_corrected, nan_ok=True)


def test_a_failed_run_prevents_a_verdict_that_the_other_seeds_would_give():
    assert compare_seeds([*HIGH, 35.0], [*LOW, 31.0]).outcome == "better"
    failed = compare_seeds([*HIGH, None], [*LOW, 31.0])
    assert failed.outcome == "no verdict" and math.isnan(failed.p_value)
    assert failed.low == pytest.approx(compare_seeds(HIGH, LOW).low)
    verdict = verdict_of_report([*HIGH, None], [*LOW, 31.0])
    assert "a, seed 3" in verdict.text and "3 pairs of finished runs" in verdict.text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_flagged(value):
    found = compare_seeds([*HIGH, value], [*LOW, 31.0])
    assert found.outcome == "no verdict" and "a: seed 3 is not finite" in found.flags[0]


def test_fractions_in_place_of_percent_are_flagged():
    found = compare_seeds([0.38, 0.39, 0.37], [0.31, 0.32, 0.30])
    assert found.flags == ["all values are at most 1: AP is in percent here"]
    assert compare_seeds([0.0, 0.0], [0.0, 0.0]).flags == []


def test_p_is_corrected_for_the_family():
    one, four = compare_seeds(HIGH, LOW), compare_seeds(HIGH, LOW, family=4)
    assert four.p_value == pytest.approx(4 * one.p_value) and one.p_value < 0.05 / 4
    assert compare_seeds(HIGH, LOW, family=1000).outcome == "not distinguishable"
    assert compare_seeds(HIGH, LOW, family=1000).p_value == 1


def test_metrics_in_other_units_have_no_least_spread():
    a, b = [0.40, 0.41, 0.42], [0.50, 0.52, 0.51]
    assert compare_seeds(a, b).outcome == "not distinguishable"
    assert compare_seeds(a, b, least_spread=0.0).outcome == "worse"


def test_lists_that_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match="a has 3 values and b has 2"):
        compare_seeds(HIGH, [30.0, 31.0])
    with pytest.raises(ValueError, match="family must be"):
        compare_seeds(HIGH, LOW, family=0)


def test_runs_without_common_seeds_are_compared_by_welchs_test():
    a, b = [40.0, 45.0, 38.5, 50.0, 43.0], [31.0, 35.0, 28.0, 33.0]
    found, expected = compare_seeds(a, b, paired=False), stats.ttest_ind(a, b, equal_var=False)
    assert found.outcome == "better" and found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_differences_within_the_margin_end_as_equivalent():
    a, b = [40.0, 40.3, 39.9, 40.2, 40.1, 40.0], [40.1, 40.2, 40.0, 40.1, 40.2, 39.9]
    found = compare_seeds(a, b, margin=2.0)
    assert found.outcome == "equivalent" and found.p_equivalent < 0.05
    assert compare_seeds(a, b, margin=0.1).outcome == "not distinguishable"
    assert compare_seeds(HIGH, LOW, margin=2.0).outcome == "better"


def test_a_look_spends_its_share():
    assert compare_seeds(HIGH, LOW, share=0.5).p_value == pytest.approx(2 * compare_seeds(HIGH, LOW).p_value)


def test_less_may_be_better():
    assert compare_seeds(LOW, HIGH, metric=Metric("loss", "loss", higher_is_better=False)).outcome == "better"
