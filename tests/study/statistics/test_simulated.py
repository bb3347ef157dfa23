"""Simulated studies: many at once follow the rule of verdicts, which makes few false calls and finds effects."""

import json

import numpy as np
import pytest

from retina_plugin.commands.simulate_studies import (
    COLLAPSING,
    EFFECTS,
    FACTORS,
    NULLS,
    ONE_BY_ONE,
    add_to_bank,
    simulate_studies,
)
from retina_plugin.data import DataError
from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.planning.many import compare_many
from retina_plugin.study.planning.simulated import Setting, draw_runs, simulate
from retina_plugin.study.planning.simulated_factors import effects_of, simulate_factors
from retina_plugin.study.spec.factors import combine, read_factors
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.statistics.measurements import Measurements
from retina_plugin.study.statistics.verdict import judge

NUM_STUDIES = 10000
BY_NAME = {setting.name: setting for setting in (*NULLS, *EFFECTS, *ONE_BY_ONE)}


@pytest.mark.parametrize(("level", "num_seeds"), [(34.0, 3), (34.0, 2), (6.0, 4)])
def test_many_studies_at_once_follow_the_rule_of_verdicts(level, num_seeds):
    setting = Setting("", (1.0, 3.0, 0.5, 1.0), effects=(0.0, 3.0, 0.0, -2.0), level=level, collapsing=0.1)
    runs = draw_runs(np.random.default_rng(0), setting, num_seeds, 60)
    many = compare_many(runs)
    for i, own in enumerate(runs):
        results = [RunResult("abcd"[v], s, "", 1.0, {"bbox/AP": own[v, s]}) for v, s in np.ndindex(*own.shape)]
        verdicts = judge(Measurements(results), [Hypothesis(name, "a") for name in "bcd"])
        assert many.p[i] == pytest.approx([v.p_corrected for v in verdicts])
        assert many.low[i] == pytest.approx([v.difference.low for v in verdicts])
        called = [v.outcome in ("better", "worse") for v in verdicts]
        cautioned = ["collapsed to 0" in v.text for v in verdicts]
        assert cautioned == [c and x for c, x in zip(called, many.cautioned[i].tolist(), strict=True)]
        assert many.flagged[i].tolist() == [bool(v.flags) for v in verdicts]


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize("setting", [s for s in NULLS if not s.name.startswith("skewed")], ids=lambda s: s.name)
def test_false_calls_are_rare(setting, num_seeds):
    """5.5 % of 10,000 studies have a standard deviation of .23 %."""
    rates = simulate(setting, num_seeds, NUM_STUDIES)
    print(f"{setting.name}, {num_seeds} seeds: {rates.any_call:.1%} called, {rates.coverage:.1%} covered")
    assert rates.any_call <= 0.055 + 3 * rates.error(0.055)
    assert rates.coverage >= (0.91 if "eight" in setting.name else 0.93) - 3 * rates.error(0.07)
    if "exchangeable" in setting.name:
        assert rates.coverage <= 0.985


def test_three_seeds_find_3_ap_in_a_study_of_four_variants():
    """The paired t-test with Holm's correction finds 51 %."""
    rates = simulate(BY_NAME["3 AP, spread of a difference 1, all three variants"], 3, NUM_STUDIES)
    assert rates.power >= 0.75 and rates.any_call > rates.power


@pytest.mark.parametrize("num_seeds", [2, 3, 4, 5])
def test_collapses_are_flagged_or_the_verdict_says_how_rare_they_must_be(num_seeds):
    for setting in COLLAPSING:
        rates = simulate(setting, num_seeds, NUM_STUDIES)
        assert rates.unflagged_seen < 0.001 and rates.unscoped < 0.055 < rates.unflagged, setting.name


def test_skewed_seeds_are_flagged_or_rarely_called():
    for setting in NULLS:
        if setting.name.startswith("skewed") and "by seed" not in setting.name:
            assert max(simulate(setting, n, NUM_STUDIES).unflagged for n in (2, 3, 4, 5)) < 0.1, setting.name


@pytest.mark.parametrize("setting", [s for s in ONE_BY_ONE if "40" in s.name or "six" in s.name], ids=lambda s: s.name)
def test_false_calls_are_rare_with_images_and_metrics(setting):
    """5 % of 300 studies have a standard deviation of 1.3 %."""
    rates = simulate(setting, 3, 300)
    print(f"{setting.name}: {rates.any_call:.1%} called, {rates.coverage:.1%} covered")
    assert rates.any_call <= 0.05 + 3 * rates.error(0.05) and rates.coverage >= 0.95 - 3 * rates.error(0.05)


def test_the_tables_have_a_line_for_every_setting():
    assert any("exchangeable" in line for line in simulate_studies(1, [2]))
    lines = list(simulate_studies(40, [3, 4]))
    assert lines[0].startswith("| no effect, 40 studies; 3, 4 seeds | called % |")
    row = next(line for line in lines if line.startswith("| exchangeable, two variants |"))
    rates = [simulate(BY_NAME["exchangeable, two variants"], number, 40) for number in (3, 4)]
    error = max(rate.error(rate.coverage) for rate in rates)
    covered = ", ".join(f"{100 * rate.coverage:.1f}" for rate in rates)
    assert row.endswith(f"| {covered} (±{100 * error:.1f}) |")
    assert len(lines) > 25 and all(line.count("|") in (0, 3, 4, 5, 6) for line in lines)


def test_study_folders_are_added_to_the_bank(tmp_path):
    end = {"digest": "x", "minutes": 1.0, "error": "", "peak_memory_mb": 1.0}
    for variant, seed in np.ndindex(2, 3):
        run_dir = tmp_path / "my_study" / f"v{variant}" / f"seed{seed}"
        run_dir.mkdir(parents=True)
        (run_dir / "metrics.json").write_text(json.dumps({"iteration": 8, "bbox/AP": 30.0 + seed}) + "\n")
        (run_dir / "result.json").write_text(json.dumps(end))
    for name, error in {"seed0.1": "", "seed8": "the loss diverged"}.items():  # moved aside, failed
        (other := tmp_path / "my_study/v0" / name).mkdir()
        (other / "metrics.json").write_text(json.dumps({"iteration": 8, "bbox/AP": 5.0}) + "\n")
        (other / "result.json").write_text(json.dumps(end | {"error": error}))
    (tmp_path / "my_study/report.json").write_text("{}")
    bank = tmp_path / "bank.json"
    for _ in range(2):
        added = add_to_bank([tmp_path / "my_study"], bank)
        assert json.loads(bank.read_text()) == added and len(added) == 2
    assert added[0]["metrics"] == {"bbox/AP": {"values": {"0": 30.0, "1": 31.0, "2": 32.0}}}
    with pytest.raises(DataError, match="no variant with two finished runs"):
        add_to_bank([tmp_path], bank)


@pytest.mark.parametrize("setting", FACTORS[:5], ids=lambda s: s.name)
def test_effects_of_factors_that_do_not_exist_are_rarely_called(setting):
    rates = simulate_factors(setting, 3, 300)
    assert rates.any_call <= 0.055 + 3 * rates.error(0.055)
    assert rates.coverage >= 0.93


def test_three_seeds_find_a_factor_of_3_ap():
    rates = simulate_factors(FACTORS[-1], 3, 300)
    assert 0.75 <= rates.power <= rates.any_call


def test_the_true_effects_of_factors_follow_from_the_means():
    factors = read_factors({"x": {"x0": [], "x1": []}, "y": {"y0": [], "y1": []}})
    means = dict(zip(combine(factors), (1.0, 2.0, 4.0, 10.0), strict=True))
    assert effects_of(factors, means) == [5.5, 3.5, 5.0]  # x, y, and y at x1 minus y at x0
