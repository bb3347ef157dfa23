"""Factorial studies: their variants, and the effects of their factors."""

import itertools
import json

import numpy as np
import pytest
from conftest import QUICK, TINY
from scipy import stats

from retina_plugin.config import ConfigError
from retina_plugin.study import load_study, write_report
from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.spec.factors import combine, read_factors
from retina_plugin.study.spec.metrics import COCO_METRICS
from retina_plugin.study.statistics import measurements
from retina_plugin.study.statistics.effects import factor_effects
from retina_plugin.study.statistics.measurements import Measurements
from retina_plugin.study.statistics.moderation import prior_from_runs

CE = "model.cls_loss=${losses.sigmoid_ce}"
ENTRIES = {
    "loss": {"ce": [CE], "focal": []},
    "prior": {"p.01": [], "p.001": ["model.head.prior_prob=0.001"]},
    "rate": {"slow": [], "fast": ["optimizer.lr=0.01"]},
}
FACTORS = read_factors(ENTRIES)
SEEDS = (0, 1, 2, 5)


def results(value, seeds=SEEDS):
    """Runs of all variants; `value` gives the AP of levels and seed."""
    return [
        RunResult("-".join(f.levels[i] for f, i in zip(FACTORS, x, strict=True)), s, "-", 1.0, {"bbox/AP": value(x, s)})
        for x in itertools.product((0, 1), repeat=3)
        for s in seeds
    ]


def test_every_combination_is_a_variant_with_the_overrides_of_its_levels():
    variants = combine(FACTORS)
    assert len(variants) == 8 and next(iter(variants)) == "ce-p.01-slow"
    assert variants["ce-p.01-slow"] == [CE]
    assert variants["focal-p.001-fast"] == ["model.head.prior_prob=0.001", "optimizer.lr=0.01"]


def test_effects_are_the_coefficients_of_a_regression():
    """With levels coded as -1 and 1, a factor moves the metric by twice its coefficient, a pair by four times."""
    rng = np.random.default_rng(0)
    noise = {(x, s): rng.normal(30, 5) for x in itertools.product((0, 1), repeat=3) for s in SEEDS}
    effects = factor_effects(Measurements(results(lambda x, s: noise[x, s])), FACTORS, COCO_METRICS[0])
    coded = np.array([[2 * i - 1 for i in x] for x, _ in noise], float)
    pairs = [coded[:, i] * coded[:, j] for i, j in itertools.combinations(range(3), 2)]
    design = np.column_stack([np.ones(len(coded)), coded, *pairs])
    coefficients = np.linalg.lstsq(design, np.array(list(noise.values())), rcond=None)[0][1:]
    expected = coefficients * [2, 2, 2, 4, 4, 4]
    assert [e.difference.mean for e in effects] == pytest.approx(expected.tolist())
    names = ["loss: ce → focal", "prior: p.01 → p.001", "rate: slow → fast"]
    assert [e.name for e in effects] == [*names, "loss × prior", "loss × rate", "prior × rate"]


def test_intervals_come_from_the_contrast_of_every_seed(monkeypatch):
    """One contrast per seed, so what a seed adds to all of its runs does not count."""
    monkeypatch.setattr(measurements, "heterogeneity", lambda key: 0.0)  # each contrast by itself
    rng = np.random.default_rng(1)
    added, noise = rng.normal(0, 50, 9), rng.normal(0, 2, (9, 2, 2, 2))
    value = lambda x, s: 30 + added[s] + 7 * x[0] + 4 * x[0] * x[1] + noise[s][x]  # noqa: E731
    effects = factor_effects(Measurements(results(value), least_spread=0.0), FACTORS, COCO_METRICS[0])
    by_seed = [np.mean([value((1, i, j), s) - value((0, i, j), s) for i in (0, 1) for j in (0, 1)]) for s in SEEDS]
    interval = stats.ttest_1samp(by_seed, 0).confidence_interval()
    assert (effects[0].difference.low, effects[0].difference.high) == pytest.approx(tuple(interval))
    assert effects[3].difference.mean == pytest.approx(4, abs=3) and effects[0].p_corrected < 0.05


def test_the_other_contrasts_moderate_the_spread_of_one():
    rng = np.random.default_rng(2)
    runs, weights = rng.normal(30, 2, (8, 4)) + rng.normal(0, 9, 4), np.array([1, 1, 1, 1, -1, -1, -1, -1]) / 4
    basis = np.linalg.qr(np.column_stack([np.ones(8), weights, rng.normal(size=(8, 6))]))[0]
    of_others = np.var(basis[:, 2:].T @ runs, axis=1, ddof=1)  # six contrasts of length 1, orthogonal to this one
    prior = prior_from_runs(runs, weights, d0=12.0)
    assert prior.variance == pytest.approx(of_others.mean() * (weights**2).sum())
    assert prior.freedom == pytest.approx(1 / (1 / 12 + (1 / 12 + 1 / 3) / 6))


def test_intervals_of_effects_cover():
    """Of runs that spread alike, 95 % of the intervals hold the true effect, and with unequal spreads not much less."""
    rng, true = np.random.default_rng(3), 7.0
    for spreads in (np.full(8, 2.0), np.array([0.7, 0.7, 2, 2, 2, 2, 2, 2])):
        held = []
        for _ in range(300):
            noise = rng.normal(0, 1, (8, 9)) * spreads[:, None] + rng.normal(0, 3, 9)
            value = lambda x, s: 30 + true * x[0] + noise[4 * x[0] + 2 * x[1] + x[2], s]  # noqa: B023, E731
            effect = factor_effects(Measurements(results(value), least_spread=0.0), FACTORS, COCO_METRICS[0])[0]
            held.append(effect.difference.low < true < effect.difference.high)
        assert 0.91 <= np.mean(held) <= 0.99  # Monte-Carlo error .013


def test_a_seed_counts_if_all_variants_finished_with_it():
    runs = results(lambda x, s: 30.0 + s + x[0])
    runs[0] = RunResult(runs[0].variant, runs[0].seed, "-", 0.0, {}, "out of memory")
    effects = factor_effects(Measurements(runs), FACTORS, COCO_METRICS[0])
    assert effects[0].difference.num_seeds == len(SEEDS) - 1 and effects[0].difference.mean == pytest.approx(1)
    assert all(np.isnan(effect.p_corrected) for effect in effects)  # the failed run may have differed


def test_looks_are_paid_for():
    rng = np.random.default_rng(4)
    known = Measurements(results(lambda x, s: 30 + 5 * x[0] + rng.normal(0, 2)))
    whole, half = (factor_effects(known, FACTORS, COCO_METRICS[0], share) for share in (1.0, 0.5))
    assert half[0].p_corrected == pytest.approx(2 * whole[0].p_corrected)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "factors must be a mapping"),
        ({}, "factors must be a mapping"),
        ({"a": {"x": []}}, "factors.a must have two levels"),
        ({"a": {"x": [], "y": [], "z": []}}, "factors.a must have two levels"),
        ({"a": {"x-y": [], "y": []}}, r"factors.a: levels must have names of .*, got \['x-y'\]"),
        ({"a": {"x": [], "y": []}, "b": {"x": [], "z": []}}, r"several factors have the levels \['x'\]"),
    ],
)
def test_invalid_factors_are_refused(entries, message):
    with pytest.raises(ConfigError, match=message):
        read_factors(entries)


def write_study(folder, **content):
    path = folder / "study.py"
    path.write_text(f"study = {dict(base=QUICK, overrides=TINY, output_dir=f'{folder}/out', **content)!r}")
    return path


def test_a_report_shows_the_effects_when_all_variants_ran(tmp_path, unseen_figures):
    path = write_study(tmp_path, factors=ENTRIES, seeds=list(SEEDS))
    study = load_study(path)
    page = write_report(study, results(lambda x, s: 20.0 + 10 * x[0] + s * x[2]), num_images=0)
    effects = json.loads(page.with_suffix(".json").read_text())["effects"]
    assert effects[0]["name"] == "loss: ce → focal" and effects[0]["difference"]["mean"] == pytest.approx(10)
    for form in (page.read_text(), page.with_suffix(".md").read_text()):
        assert "loss: ce → focal" in form and "+10.0" in form and "loss × prior" in form
    assert json.loads(page.with_suffix(".json").read_text())["verdicts"] == []
    part = load_study(path, only=["ce-p.01-slow", "focal-p.01-slow"])
    assert part.factors == part.questions == part.other_questions == ()
    assert [v.name for v in part.variants] == [
        "ce-p.01-slow",
        "focal-p.01-slow",
    ]


def test_seeds_are_not_added_for_effects(tmp_path):
    with pytest.raises(ConfigError, match="a study with factors needs hypotheses"):
        load_study(write_study(tmp_path, factors=ENTRIES), seeds="auto")


def test_factors_and_variants_together_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="give factors or variants, not both"):
        load_study(write_study(tmp_path, factors=ENTRIES, variants={"a": []}))
