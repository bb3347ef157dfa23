"""The spread that other variants help to know, the bank of A/A runs, and the family of a study file."""

import json
import math
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
from planted import plant_study
from scipy import stats
from simulation import simulate_metrics

from retina_plugin.study import compare_seeds, load_study, write_report
from retina_plugin.study.execution.job import RunEnd
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.statistics import bank
from retina_plugin.study.statistics.bank import Spread, fit_heterogeneity, heterogeneity, least_spread, spreads
from retina_plugin.study.statistics.moderation import NO_PRIOR, Prior, moderate, prior_from_runs
from retina_plugin.study.statistics.verdict import judge

AP = "bbox/AP"
PAIR = np.array([1.0, -1.0, 0.0, 0.0])  # the difference of the first two of four variants


def test_with_variants_that_spread_alike_it_is_the_analysis_of_variance():
    """Without heterogeneity the moderated variance is the residual of variants x seeds, computed by least squares."""
    rng = np.random.default_rng(0)
    runs = rng.normal(30, 1, (4, 3)) + rng.normal(0, 5, 3)
    prior = prior_from_runs(runs, PAIR, math.inf)
    variance, freedom, _ = moderate(np.var(runs[0] - runs[1], ddof=1), 2, prior)
    design = np.array([[v == i for i in range(4)] + [s == i for i in range(1, 3)] for v in range(4) for s in range(3)])
    residual = np.linalg.lstsq(design.astype(float), runs.ravel(), rcond=None)[1][0]
    assert freedom == pytest.approx(6) and variance == pytest.approx(2 * residual / 6)


def test_heterogeneous_variants_are_worth_less():
    runs = np.random.default_rng(0).normal(30, 1, (4, 3))
    alike, unlike = (prior_from_runs(runs, PAIR, d0) for d0 in (math.inf, 2.0))
    assert alike.freedom == pytest.approx(4) and unlike.freedom == pytest.approx(1)
    assert alike.variance == unlike.variance
    assert prior_from_runs(runs, PAIR, 0.0) == prior_from_runs(runs[:2], PAIR[:2], 4.0) == NO_PRIOR


def test_a_spread_that_is_clearly_larger_than_that_of_the_others_is_used_alone():
    prior = Prior(1.0, 4.0)
    threshold = stats.f.isf(0.05, 2, 4)
    assert moderate(1.01 * threshold, 2, prior) == (1.01 * threshold, 2, True)
    assert moderate(0.99 * threshold, 2, prior)[1:] == (6, False)


def test_the_bank_recovers_how_alike_variances_are():
    rng = np.random.default_rng(0)
    for d0 in (3.0, 10.0):
        variances = (
            d0 / rng.chisquare(d0, (300, 4)) * np.exp(rng.normal(0, 2, (300, 1))) * rng.chisquare(4, (300, 4)) / 4
        )
        found = fit_heterogeneity([[Spread(v, 4) for v in own] for own in variances])
        assert found == pytest.approx(d0, rel=0.3)
    assert fit_heterogeneity([[Spread(1.0, 2), Spread(1.1, 2)]]) == math.inf


def test_the_bank_has_its_sources_and_no_collapsed_variants():
    entries = json.loads(bank.BANK.read_text())
    assert all({"study", "variant", "source", "metrics"} == set(entry) for entry in entries)
    kept = spreads(AP)
    assert len(kept) >= 4 and sum(map(len, kept.values())) < len(entries)
    assert 0 < heterogeneity(AP) <= bank.MOST_ALIKE and 0.1 < least_spread(AP, 3) < 0.3 < least_spread(AP, 9)
    assert heterogeneity("validation/loss_cls") == least_spread("validation/loss_cls", 3) == 0
    own = {"study": "s", "variant": "v", "source": "x", "metrics": {AP: {"values": {"0": 30.0, "1": 32.0, "2": 31.0}}}}
    assert spreads(AP, [own]) == {"s": [Spread(pytest.approx(1.0), 2)]}


def test_other_variants_make_small_effects_visible_to_users_as_in_a_report():
    m = simulate_metrics(np.random.default_rng(4), 3.0, spread=1.0, names=("a", "b", "c", "d"))
    values = {v: [r.metrics[AP] for r in m.results if r.variant == v] for v in "abcd"}
    found = compare_seeds(values["b"], values["a"], family=3, others=[values["c"], values["d"]])
    verdict = judge(m, [Hypothesis("b", "a")], [Hypothesis("e", "a"), Hypothesis("f", "a")])[0]
    assert found.outcome == verdict.outcome == "better"
    assert found.p_value == pytest.approx(verdict.p_corrected)
    assert found.simultaneous == pytest.approx((verdict.low, verdict.high))
    assert found.p_value < compare_seeds(values["b"], values["a"], family=3).p_value


def test_only_leaves_every_p_value_as_it_was(tmp_path, trained_run, unseen_figures):
    pairs = [("focal", "ce"), ("third", "ce"), ("focal", "broken")]
    hypotheses = [{"better": better, "than": than} for better, than in pairs]
    variants = {"focal": [], "ce": ["model.cls_loss=${losses.softmax_ce}"], "third": [], "broken": []}
    study, results = plant_study(tmp_path, trained_run, (0, 1), variants=variants, hypotheses=hypotheses)
    third = [replace(r, variant="third", run_dir=_copied(study, r)) for r in results if r.variant == "focal"]
    whole = _p_values(study, [*results, *third])
    only = load_study(tmp_path / "study.py", study.seeds, ["focal", "ce"], study.output_dir, study.overrides)
    assert len(only.questions) == 1 and len(only.other_questions) == 2
    some = _p_values(only, [r for r in results if r.variant in ("focal", "ce")])
    assert some == {k: v for k, v in whole.items() if k in some} and list(some.values()) != [None]


def _copied(study, result):
    run_dir = study.run_dir("third", result.seed)
    shutil.copytree(result.run_dir, run_dir)
    (run_dir / "result.json").write_text(json.dumps(asdict(RunEnd("", 1.0))))
    return str(run_dir)


def _p_values(study, results):
    page = write_report(study, results, num_images=0)
    content = json.loads(page.with_suffix(".json").read_text())
    return {str(v["hypothesis"]): v["p_corrected"] for v in content["verdicts"]}
