"""The statistical rule of a study, compared with closed forms and tried on simulated studies."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from simulation import simulate_images, simulate_metrics

from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.planning.simulated import Setting, simulate
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.spec.metrics import COCO_METRICS, Metric, read_metric
from retina_plugin.study.statistics.bank import least_spread
from retina_plugin.study.statistics.estimate import estimate
from retina_plugin.study.statistics.measurements import Measurements
from retina_plugin.study.statistics.table import tabulate_runs
from retina_plugin.study.statistics.verdict import correct_holm, judge
from retina_plugin.study.statistics.wording import p_value

B_BETTER = [Hypothesis("b", "a")]
AP, AP50 = COCO_METRICS[:2]


def result(variant, seed, ap, error="", **more):
    metrics = {} if error else {"bbox/AP": ap, "bbox/APl": math.nan}
    metrics |= {f"bbox/{key}": value for key, value in more.items()}
    return RunResult(variant, seed, "nowhere", 1.0, metrics, error)


def study(a, b):
    runs = [result("a", seed, ap) for seed, ap in enumerate(a)]
    return Measurements(runs + [result("b", seed, ap) for seed, ap in enumerate(b)])


def test_without_images_it_is_the_paired_t_test():
    a, b = [30.0, 35.0, 33.0, 31.0], [32.0, 35.5, 37.0, 31.5]
    difference = study(a, b).difference("b", "a", AP)
    theirs = stats.ttest_rel(b, a)
    assert difference.p_value == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx(tuple(interval))
    assert difference.spread == pytest.approx(np.std(np.subtract(b, a), ddof=1))


def test_a_very_small_spread_of_three_seeds_is_not_used():
    least = least_spread("bbox/AP", 3)
    floored = estimate([0.40, 0.41, 0.39], least_spread=least)
    assert stats.ttest_1samp([0.40, 0.41, 0.39], 0).pvalue < 0.001 < 0.05 < floored.p_value
    half = stats.t.ppf(0.975, 2) * least / math.sqrt(3)
    assert floored.high - floored.mean == pytest.approx(half)


def resampled_means(rng, of_image):
    """(B,) means over resampled images, in place of AP, because the variance of a mean is known."""
    size = len(of_image)
    return rng.multinomial(size, np.full(size, 1 / size), 20000) / size @ of_image


def test_the_standard_error_over_images_has_its_closed_form():
    rng = np.random.default_rng(0)
    of_image = rng.normal(0, 30, 200)
    value = estimate(np.full(3, of_image.mean()), np.tile(resampled_means(rng, of_image), (3, 1)), 200)
    error = of_image.std() / math.sqrt(200)
    assert value.high - value.mean == pytest.approx(error * stats.t.ppf(0.975, 199), rel=0.02)


@pytest.mark.parametrize("num_seeds", [3, 4])
def test_the_variances_over_seeds_and_images_add_up(num_seeds):
    rng = np.random.default_rng(1)
    of_seed, of_image = np.linspace(-6, 6, num_seeds), rng.normal(0, 120, 200)
    draws = of_seed[:, None] + resampled_means(rng, of_image)
    value = estimate(of_seed + of_image.mean(), draws, 200)
    seeds, images = of_seed.var(ddof=1) / num_seeds, of_image.var() / 200
    freedom = (seeds + images) ** 2 / (seeds**2 / (num_seeds - 1) + images**2 / 199)
    expected = math.sqrt(seeds + images) * stats.t.ppf(0.975, freedom)
    assert value.high - value.mean == pytest.approx(expected, rel=0.01)


def test_the_interval_excludes_0_exactly_when_p_is_below_5_percent():
    rng = np.random.default_rng(1)
    decided = []
    for _ in range(300):
        values = rng.normal(rng.uniform(0, 6), 1, 3)
        value = estimate(values, values[:, None] + rng.normal(0, rng.uniform(0, 2), 200), 50)
        decided.append(value.p_value < 0.05)
        assert decided[-1] == (value.low > 0 or value.high < 0)
    assert 50 < sum(decided) < 250


def test_one_seed_has_an_interval_over_images_and_no_p_value():
    value = estimate([2.0], np.random.default_rng(0).normal(2, 1, (1, 1000)), 80)
    assert math.isnan(value.p_value) and math.isnan(value.spread)
    assert value.high - value.mean == pytest.approx(2, abs=0.15)
    assert math.isnan(estimate([2.0]).low) and math.isnan(estimate([2.0, math.nan]).mean)


def test_equal_runs_are_not_distinguishable():
    (verdict,) = judge(study([30.0, 31.0, 32.0], [30.0, 31.0, 32.0]), B_BETTER)
    assert verdict.outcome == "not distinguishable" and verdict.p_corrected == 1


def test_holm_steps_down_and_counts_comparisons_that_were_not_made():
    assert correct_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert correct_holm([0.01, 0.04, math.nan, 0.03]) == pytest.approx([0.04, 0.09, math.nan, 0.09], nan_ok=True)
    assert correct_holm([0.6, 0.7]) == [1.0, 1.0] and correct_holm([]) == []


def test_a_hidden_variant_without_one_of_the_seeds_counts_like_one_that_failed():
    shown = study([30.0, 31.0, 32.0], [34.0, 36.0, 35.0])
    part = [result("c", seed, 70.0 + seed) for seed in range(2)]
    cases = [replace(shown, hidden=hidden) for hidden in (part, [*part, result("c", 2, 0, error="killed")], [])]
    p_values = [judge(m, B_BETTER, [Hypothesis("c", "a")])[0].p_corrected for m in cases]
    assert p_values[0] == p_values[1] == p_values[2] == pytest.approx(2 * cases[2].difference("b", "a", AP).p_value)


def test_rows_pair_runs_by_seed():
    runs = [result("a", 0, 30.0), result("b", 0, 28.0), result("a", 1, 34.0), result("b", 1, 31.0)]
    runs += [result("b", 2, 99.0), result("a", 2, 0, error="killed")]
    first, second = tabulate_runs(Measurements(runs), ["a", "b"], "a", [read_metric(n) for n in ("AP", "APl", "AP75")])
    assert (first.variant, first.num_runs, first.mean["AP"].mean) == ("a", 2, 32.0)
    assert first.mean["AP"].spread == pytest.approx(math.sqrt(8)) and not first.difference
    assert second.difference["AP"].mean == -2.5  # seed 2 has no partner
    assert math.isnan(second.mean["APl"].mean) and math.isnan(second.mean["AP75"].mean)


def test_a_table_has_the_p_values_of_the_verdicts_and_no_others():
    m = simulate_metrics(np.random.default_rng(0), effect=5.0, names=("a", "b", "c"))
    verdicts = judge(m, [Hypothesis("b", "a"), Hypothesis("a", "c")])
    _, b, c = tabulate_runs(m, ["a", "b", "c"], "a", [AP, AP50], verdicts)
    raw = [row.difference["AP"].p_value for row in (b, c)]
    assert [row.p_corrected["AP"] for row in (b, c)] == pytest.approx(correct_holm(raw))
    assert math.isnan(b.p_corrected["AP50"])


@pytest.mark.parametrize(
    ("a", "b", "outcome", "words"),
    [
        ([30, 31, 32], [34, 35.5, 36], "better", ("b is better than a in AP, by 4.2", "other seeds, on these test")),
        ([34, 35.5, 36], [30, 31, 32], "worse", ("b is worse than a in AP, by 4.2", "−4.2, 95 % interval")),
        ([30, 31, 32], [31, 30, 33], "not distinguishable", ("cannot be ruled out", "more seeds")),
        ([30], [34], "no verdict", ("nothing follows for the two configs", "at least two seeds", "+4.0 AP")),
        ([], [34], "no verdict", ("No seed has a finished run of both",)),
        ([math.nan] * 3, [34, 34, 34], "no verdict", ("Not every run has a finite AP",)),
        ([30, 31, math.inf], [34, 34, 34], "no verdict", ("Not every run has a finite AP", "diverged")),
    ],
)  # fmt: skip
def test_verdicts_have_an_outcome_and_an_explanation(a, b, outcome, words):
    (verdict,) = judge(study(a, b), B_BETTER)
    assert verdict.outcome == outcome
    for part in words:
        assert part in f"{verdict.headline} {verdict.text}"


@pytest.mark.parametrize(("a", "b", "outcome"), [(0.5, 0.4, "better"), (0.4, 0.5, "worse")])
def test_lower_is_better_for_losses(a, b, outcome):
    """Intervals of a loss are not clipped to 100, and no spread of AP points is assumed for it."""
    loss = Metric("validation/loss_cls", "loss", higher_is_better=False, unit="nats")
    runs = [
        RunResult(name, seed, "", 1.0, {loss.key: value + seed / 100 + (name == "b") * seed / 1000})
        for name, value in (("a", a), ("b", b))
        for seed in range(3)
    ]
    (verdict,) = judge(Measurements(runs), [Hypothesis("b", "a", loss)])
    assert verdict.outcome == outcome
    assert f"b is {outcome} than a in loss (lower is better), by 0." in verdict.headline
    assert verdict.headline.endswith("nats") and "nats, 95 % interval" in verdict.text
    big = [RunResult("a", seed, "", 1.0, {loss.key: 500.0 + seed}) for seed in range(3)]
    mean = Measurements(big).mean("a", loss)
    assert mean.low < 501 < mean.high and mean.low > 490


def test_an_effect_that_does_not_survive_the_correction_says_so():
    hypotheses = [Hypothesis("b", "a"), Hypothesis("a", "b"), *[Hypothesis("b", "a")] * 6]
    verdict = judge(study([30, 31, 32], [33, 35, 35]), hypotheses)[0]
    assert verdict.difference.p_value < 0.05 <= verdict.p_corrected
    assert verdict.outcome == "not distinguishable" and "many comparisons" in verdict.text
    assert "corrected for 8 comparisons" in verdict.text


def calls(simulate, effect, variants=("a", "b"), number=100, **settings):
    """How many of the simulated studies call the first variant and another one different."""
    hypotheses = [Hypothesis(v, "a") for v in variants[1:]]
    found = 0
    for i in range(number):
        verdicts = judge(simulate(np.random.default_rng([3, i]), effect, **settings), hypotheses)
        found += any(v.outcome in ("better", "worse") for v in verdicts)
    return found


def test_simulated_studies_from_results_by_image():
    """From simulated detections through resampling to the verdict: 3 seeds, 80 images, .6 AP from seed to seed."""
    null, effect = calls(simulate_images, 0.0), calls(simulate_images, 3.0)
    print(f"called different: the same variant twice {null} of 100, 3 AP apart {effect} of 100")
    assert null <= 5 and effect >= 80


@pytest.mark.parametrize("spread", [0.5, 0.7])
def test_simulated_studies_from_ap_alone(spread):
    """From simulated AP through the verdict: 3 seeds, no images."""
    null = calls(simulate_metrics, 0.0, spread=spread)
    effect = calls(simulate_metrics, 3.0, spread=spread)
    print(f"spread {spread}: the same variant twice {null} of 100, 3 AP apart {effect} of 100")
    assert null <= 5 and effect >= 80


def test_the_rate_of_false_calls_holds_for_any_spread_and_many_variants():
    """At most 5 % in expectation: 20,000 studies leave 5.0 ± 0.15 % (one standard deviation) for an exact test."""
    for num_variants, spread in ((2, 0.1), (2, 0.6), (2, 5.0), (5, 5.0)):
        setting = Setting("", (spread / math.sqrt(2),) * num_variants)
        rate = simulate(setting, 3, 20000).any_call
        print(f"{num_variants} variants, spread {spread}: {rate:.1%} with any false call")
        assert rate < 0.055


def test_seeds_alone_do_not_generalize_to_other_test_images():
    """Variants that differ on these images by chance and not on others: seeds agree, and images do not."""
    false_by_seeds = false_by_both = 0
    for i in range(400):
        rng = np.random.default_rng([5, i])
        by_image = rng.normal(0, 8, 80) + rng.normal(0, 2, (3, 80))  # AP of a difference, image by image
        draws = rng.multinomial(80, np.full(80, 1 / 80), 200) / 80
        values = by_image.mean(axis=1)
        false_by_seeds += estimate(values).p_value < 0.05
        false_by_both += estimate(values, by_image @ draws.T, 80).p_value < 0.05
    print(f"false calls on other images: by seeds {false_by_seeds}, by seeds and images {false_by_both} of 400")
    assert false_by_both <= 0.065 * 400 < 0.15 * 400 < false_by_seeds


@pytest.mark.parametrize(("p", "text"), [(0.0496, "0.0496"), (0.0504, "0.0504"), (0.05, "0.05"), (0.012345, "0.012")])
def test_a_p_value_says_on_which_side_of_5_percent_it_is(p, text):
    assert p_value(p) == text
