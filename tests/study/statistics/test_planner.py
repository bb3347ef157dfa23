"""The plan of a study, compared with simulated studies."""

import math

import numpy as np
import pytest
from scipy import stats
from studies import tiny_study

from retina_plugin.study import load_study
from retina_plugin.study.planning.looks import looks_until, record_look
from retina_plugin.study.planning.planner import _spread_of_effects, detectable_effect, plan
from retina_plugin.study.statistics.bank import typical_spread
from retina_plugin.study.statistics.effects import _weights


@pytest.mark.parametrize(("num_seeds", "family"), [(3, 1), (3, 3), (5, 2)])
def test_the_effect_is_called_with_a_probability_of_80_percent(num_seeds, family):
    effect = detectable_effect(2.0, num_seeds, family)
    values = np.random.default_rng(0).normal(effect, 2.0, (20000, num_seeds))
    called = stats.ttest_1samp(values, 0, axis=1).pvalue < 0.05 / family
    assert called.mean() == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 20000))


def test_other_variants_make_smaller_effects_visible():
    assert detectable_effect(1.0, 3, 3, 1.0) < detectable_effect(1.0, 3, 3)
    assert math.isnan(detectable_effect(1.0, 1)) and detectable_effect(1.0, 2, 1e4) == math.inf


def test_a_plan_is_for_all_comparisons_of_the_file(tmp_path):
    study = tiny_study(tmp_path / "study", {name: [] for name in "abcd"}, seeds=[0, 1, 2])
    lines = list(plan(study))
    assert "for 3 comparisons" in lines[0] and "| 3 seeds | 4 seeds | 5 seeds | 8 seeds |" in lines[1]
    effects = [float(cell) for cell in lines[3].split("|")[2:-1]]
    assert effects == sorted(effects, reverse=True) and len(lines) == 7
    auto = list(plan(tiny_study(tmp_path / "auto", {"a": [], "b": []}, seeds="auto")))
    assert "| 10 seeds |" in auto[1]
    loss = tiny_study(tmp_path / "loss", {"a": [], "b": []}, metrics=["validation/loss_cls"])
    assert next(plan(loss)) == "no plan: the bank knows no spread of validation/loss_cls"


def test_a_plan_of_a_part_of_the_seeds_is_that_of_a_look(tmp_path):
    """Three of six seeds spend a quarter of the 5 %; the six spend what is left if that is planned anew."""
    study = tiny_study(tmp_path / "study", {"a": [], "b": []}, seeds=list(range(6)))
    lines = list(plan(load_study(tmp_path / "study" / "study.py", [0, 1, 2])))
    spread = typical_spread("bbox/AP")[1]
    looks = [detectable_effect(spread, n, share) for n, share in ((3, 4.0), (4, 9 / 4), (5, 36 / 25), (8, 1.0))]
    assert lines[4].split("|")[2:-1] == [f" {effect:.1f} " for effect in looks]
    assert "The file plans 6 seeds: a report on fewer is a look" in lines[-1]
    assert not any("is a look" in line for line in plan(study))


def test_a_plan_knows_what_earlier_reports_spent(tmp_path):
    """Seeds beyond those that the file has planned and reported cannot change a verdict."""
    study = tiny_study(tmp_path / "study", {"a": [], "b": []}, seeds=[0, 1, 2])
    record_look(study.output_dir, looks_until(study.output_dir, study.seeds, study.planned)[-1])
    lines = list(plan(load_study(tmp_path / "study" / "study.py", range(5))))
    assert all(set(line.split("|")[2:-1]) == {" none "} for line in lines[3:6])
    assert "Earlier reports on some of these seeds spent 100% of the 5 % (looks.json in the study folder)." in lines
    assert float(list(plan(study))[3].split("|")[2]) > 0 and "Earlier" not in " ".join(plan(study))
    added = load_study(tmp_path / "study" / "study.py", "auto")
    assert added.adds_seeds and list(plan(added))[3].split("|")[2:-1] == [" none "]


def factorial(k, **settings):
    return {"factors": {f"f{i}": {f"a{i}": [], f"b{i}": ["train.max_iter=9"]} for i in range(k)}, **settings}


def test_a_plan_of_a_factorial_is_for_its_effects(tmp_path):
    study = tiny_study(tmp_path / "study", None, seeds=[0, 1, 2], **factorial(3))
    lines = list(plan(study))
    assert lines[0].startswith("Effects on AP") and "for 6 comparisons" in lines[0]
    one, pair = (float(lines[i].split("|")[2]) for i in (4, 7))
    assert "one factor" in lines[4] and "a pair of factors" in lines[7]
    assert pair == pytest.approx(2 * one, abs=0.2)


def test_effects_are_planned_for_the_metric_that_the_report_tests(tmp_path):
    hypotheses = [{"better": "a0-a1", "than": "b0-b1", "metric": "APs"}]
    lines = list(plan(tiny_study(tmp_path / "study", None, hypotheses=hypotheses, seeds=[0, 1], **factorial(2))))
    heads = [line for line in lines if "called with a probability" in line]
    assert [h.split(" that")[0] for h in heads] == ["Differences in APs", "Effects on AP"]


def test_a_plan_says_that_resampled_runs_spread_further(tmp_path):
    study = tiny_study(tmp_path / "study", {"a": [], "b": []}, seeds=[0, 1], resample_train=True)
    assert "with resample_train differences spread further" in list(plan(study))[-1]


def test_effects_spread_as_planned(tmp_path):
    """Of runs that spread alike, compared with the contrasts of the report."""
    study = tiny_study(tmp_path / "study", None, **factorial(3))
    runs = np.random.default_rng(0).normal(0, 1 / math.sqrt(2), (8, 40000))
    spread = {}
    for effect in (study.factors[:1], study.factors[:2]):
        weights = _weights(study.factors, effect)
        spread[len(effect)] = np.std([weights[v.name] for v in study.variants] @ runs)
    planned = list(_spread_of_effects(3).values())
    assert [spread[1], spread[2]] == pytest.approx(planned, rel=0.02)
