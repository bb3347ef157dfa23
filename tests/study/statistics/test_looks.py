"""Looks at a study while seeds are added spend its 5 % of false verdicts between them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from simulation import simulate_metrics
from studies import tiny_study

from retina_plugin.config import ConfigError
from retina_plugin.study import compare_seeds, load_study, run_study
from retina_plugin.study.execution.job import RunEnd, write_end
from retina_plugin.study.execution.results import found_results, seeds_of
from retina_plugin.study.planning.looks import Look, looks_until, record_look, shares, spent
from retina_plugin.study.planning.verdicts_at_looks import all_settled, effects_at_looks, judge_looks
from retina_plugin.study.spec.factors import Factor
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.spec.metrics import COCO_METRICS

B_BETTER = [Hypothesis("b", "a")]


def looks(numbers, planned):
    """Looks after so many seeds."""
    return [Look(tuple(range(n)), share) for n, share in zip(numbers, shares(numbers, planned), strict=True)]


def note(folder, seeds, planned):
    record_look(folder, looks_until(folder, seeds, planned)[-1])


def test_the_looks_share_the_5_percent():
    assert sum(shares(range(2, 11), 10)) == pytest.approx(1) == sum(shares([5, 10], 10))
    assert shares([3], 3) == [1.0] and shares([3, 5], 3) == [1.0, 0.0]
    assert spent(0.5) == 0.25 and spent(2.0) == 1


def test_a_look_is_a_report_with_some_of_the_seeds(tmp_path):
    for seeds in ([0], [0, 1], [0, 1], [3, 4], [2, 1, 0]):
        note(tmp_path, seeds, 5)
    known = json.loads((tmp_path / "looks.json").read_text())
    assert [own["seeds"] for own in known] == [[0, 1], [3, 4], [0, 1, 2]]
    assert [own["share"] for own in known] == pytest.approx([0.16, 0.16, 0.2])
    found = looks_until(tmp_path, range(5), 5)
    assert [len(look.seeds) for look in found] == [2, 3, 5] and sum(look.share for look in found) == pytest.approx(1)
    assert looks_until(tmp_path, [0, 1], 5) == [Look((0, 1), pytest.approx(0.16))]


def test_of_looks_at_other_seeds_the_one_at_more_seeds_is_paid_for(tmp_path):
    for seeds in ([3, 4], [0, 1], [0, 1, 2]):
        note(tmp_path, seeds, 5)
    found = looks_until(tmp_path, range(5), 5)
    assert [look.seeds for look in found] == [(0, 1), (0, 1, 2), (0, 1, 2, 3, 4)]
    assert [look.share for look in found] == pytest.approx([0.16, 0.2, 0.64])


def test_a_report_on_fewer_seeds_after_one_on_more_has_what_is_left(tmp_path):
    note(tmp_path, [0, 1, 2], 3)
    assert looks_until(tmp_path, [0, 1], 3) == [Look((0, 1), 0.0)] == looks_until(tmp_path, [0, 1], 10)
    m = simulate_metrics(np.random.default_rng(1), 9.0, num_seeds=3, spread=0.01)
    (verdict,) = judge_looks(m, B_BETTER, (), looks_until(tmp_path, [0, 1], 3))
    assert verdict.p_corrected == 1 and "cannot change the verdict" in verdict.text
    assert looks_until(tmp_path, [3, 4], 3) == [Look((3, 4), pytest.approx(4 / 9))]  # other seeds are a repetition


def test_a_larger_plan_gives_back_nothing_of_what_was_spent(tmp_path):
    note(tmp_path, range(3), 3)
    assert looks_until(tmp_path, range(6), 6) == [Look((0, 1, 2), 1.0), Look(tuple(range(6)), 0.0)]
    assert looks_until(tmp_path, range(3), 6) == [Look((0, 1, 2), 1.0)]


def test_looks_of_earlier_versions_have_no_share(tmp_path):
    (tmp_path / "looks.json").write_text("[[0, 1], [0, 1, 2]]")
    assert [look.share for look in looks_until(tmp_path, range(5), 5)] == pytest.approx([0.16, 0.2, 0.64])


@pytest.mark.parametrize(
    "content",
    [
        '[{"seeds": [0, 1]}]',
        '[{"seeds": ["0"], "share": 1}]',
        '[{"seeds": [0, 1], "share": 2}]',
        '[{"seeds": [0, 1], "share": -0.5}]',
        "[3]",
        '{"a": 1}',
    ],
)
def test_what_is_no_list_of_looks_is_passed_over(tmp_path, content):
    (tmp_path / "looks.json").write_text(content)
    assert looks_until(tmp_path, range(2), 2) == [Look((0, 1), 1.0)]


def moved(m, by):
    """The results with the AP of b changed by `by` from seed 3 on."""
    changed = [
        replace(r, metrics={"bbox/AP": r.metrics["bbox/AP"] + by * (r.variant == "b") * (r.seed > 2)})
        for r in m.results
    ]
    return replace(m, results=changed)


def test_a_later_report_pays_for_an_earlier_look():
    m = simulate_metrics(np.random.default_rng(1), 3.0, num_seeds=5, spread=1.0)
    (alone,) = judge_looks(m, B_BETTER, (), looks([5], 5))
    (paid,) = judge_looks(m, B_BETTER, (), looks([2, 5], 5))
    assert paid.p_corrected == pytest.approx(alone.p_corrected / (1 - spent(0.4)))
    assert "also corrected for looks" in paid.text and "looks" not in alone.text
    assert paid.high - paid.low > alone.high - alone.low


def test_one_comparison_of_a_look_is_not_said_to_be_one_of_many():
    m = simulate_metrics(np.random.default_rng(8), 1.5, num_seeds=3, spread=0.6)
    (verdict,) = judge_looks(m, B_BETTER, (), [Look((0, 1, 2), 0.1)])
    assert verdict.outcome == "not distinguishable" and verdict.difference.low > 0
    assert "The interval excludes 0, but the correction for several looks asks" in verdict.text


def test_a_settled_verdict_stays_and_nothing_is_left_beyond_the_plan():
    m = simulate_metrics(np.random.default_rng(1), 9.0, num_seeds=5, spread=0.5)
    (early,) = judge_looks(m, B_BETTER, (), looks([3], 3))
    (late,) = judge_looks(m, B_BETTER, (), looks([3, 5], 3))
    assert early.outcome == late.outcome == "better" and late.p_corrected == early.p_corrected
    assert late.difference.num_seeds == 5 and "Settled by the look at 3 seeds" in late.text
    assert f"p = {early.p_corrected:.2g}" in late.text and "Chance" not in late.text and "excludes" not in late.text
    assert (late.low, late.high) == (early.low, early.high)
    none = simulate_metrics(np.random.default_rng(1), 0.0, num_seeds=5, spread=0.5)
    none = moved(none, 9.0)
    (late,) = judge_looks(none, B_BETTER, (), looks([3, 5], 3))
    assert late.p_corrected == 1 and "Earlier looks spent the 5 %" in late.text


def test_a_settled_verdict_is_withdrawn_when_all_seeds_contradict_it():
    ahead = simulate_metrics(np.random.default_rng(1), 9.0, num_seeds=5, spread=0.5)
    equal = simulate_metrics(np.random.default_rng(1), 0.0, num_seeds=5, spread=0.1)
    margin = [Hypothesis("b", "a", margin=2.0)]
    for m, asked, by, outcome in ((ahead, B_BETTER, -30.0, "better"), (equal, margin, 20.0, "equivalent")):
        (early,) = judge_looks(moved(m, by), asked, (), looks([3], 3))
        (late,) = judge_looks(moved(m, by), asked, (), looks([3, 5], 3))
        assert early.outcome == outcome and late.outcome == "not distinguishable", outcome
        assert late.headline == "b and a are not distinguishable in AP" and early.headline in late.text


def test_a_withdrawn_verdict_claims_nothing_where_the_last_look_alone_would_decide():
    m = moved(simulate_metrics(np.random.default_rng(1), 9.0, num_seeds=12, spread=0.5), -25.0)
    (alone,) = judge_looks(m, B_BETTER, (), [Look(tuple(range(12)), looks([3, 12], 12)[1].share)])
    (late,) = judge_looks(m, B_BETTER, (), looks([3, 12], 12))
    assert (alone.outcome, late.outcome) == ("worse", "not distinguishable")
    assert alone.headline in late.text and "decides nothing" in late.text and "should hold" not in late.text
    assert alone.p_corrected < 0.05 and late.p_corrected == 1
    factor = Factor("loss", ("a", "b"), ((), ()))
    effect, last = (effects_at_looks(m, [factor], COCO_METRICS[0], n) for n in (looks([3, 12], 12), looks([12], 12)))
    assert last[0].p_corrected < 0.05 and effect[0].p_corrected == 1


def test_an_effect_that_a_look_showed_keeps_its_p_value():
    factor = Factor("loss", ("a", "b"), ((), ()))
    m = simulate_metrics(np.random.default_rng(1), 9.0, num_seeds=6, spread=0.5)
    (early,), (late,) = (effects_at_looks(m, [factor], COCO_METRICS[0], looks(n, 3)) for n in ([3], [3, 6]))
    assert late.p_corrected == early.p_corrected < 0.05 and late.difference.num_seeds == 6
    (against,) = effects_at_looks(moved(m, -30.0), [factor], COCO_METRICS[0], looks([3, 6], 3))
    assert against.difference.mean < 0 and against.p_corrected == 1
    failed = replace(m, results=[replace(r, error="killed") if r.seed == 5 else r for r in m.results])
    (late,) = effects_at_looks(failed, [factor], COCO_METRICS[0], looks([3, 6], 3))
    assert math.isnan(late.p_corrected)


def test_a_settled_verdict_still_says_how_rare_collapses_must_be():
    m = simulate_metrics(np.random.default_rng(1), 4.0, num_seeds=5, spread=0.1)
    (early,), (late,) = (judge_looks(m, B_BETTER, (), looks(n, 3)) for n in ([3], [3, 5]))
    assert "0 of 3 runs of b failed or collapsed" in early.text
    assert "Settled by the look at 3 seeds" in late.text and "0 of 5 runs of b failed or collapsed" in late.text


def test_a_study_that_adds_seeds_reports_that_nothing_has_run(tmp_path):
    study = tiny_study(tmp_path / "study", {"a": [], "b": []}, seeds="auto")
    assert [(r.variant, r.seed, bool(r.error)) for r in found_results(study)] == [
        (variant, seed, True) for seed in range(2) for variant in "ab"
    ]


def test_seeds_are_not_added_where_they_bring_no_verdict():
    def study(**missing):
        m = simulate_metrics(np.random.default_rng(1), 0.0, num_seeds=2, spread=0.5)
        return replace(m, results=[replace(r, **missing) if (r.variant, r.seed) == ("b", 0) else r for r in m.results])

    for changed in ({"error": "out of memory"}, {"metrics": {"bbox/AP": float("nan")}}, {"metrics": {}}):
        assert all_settled(judge_looks(study(**changed), B_BETTER, (), looks([2], 10))), changed
    assert not all_settled(judge_looks(study(), B_BETTER, (), looks([2], 10)))


def test_looks_after_every_seed_make_no_more_false_calls():
    """Bonferroni's inequality leaves 2.8 % of 400 studies, with a standard deviation of .8 %; free looks call 20 %."""
    paid, free, costs = 0, 0, np.array(shares(range(2, 11), 10))
    for i in range(400):
        m = simulate_metrics(np.random.default_rng([7, i]), 0.0, num_seeds=10, spread=1.0)
        a, b = ([r.metrics["bbox/AP"] for r in m.results if r.variant == name] for name in "ab")
        p = np.array([compare_seeds(a[:n], b[:n], least_spread=0.0).p_value for n in range(2, 11)])
        paid += (p < 0.05 * costs).any()
        free += (p < 0.05).any()
    print(f"false calls of 400 studies: {paid} with paid looks, {free} with free ones")
    assert paid <= 0.055 * 400 and free >= 0.13 * 400


class Planted:
    """An executor that trains nothing: runs of "b" have 3 AP more."""

    threads = 1

    def __init__(self):
        self.done, self.queued = [], []

    def submit(self, jobs):
        self.queued = list(jobs)

    def poll(self, seconds):
        ended = []
        for job in self.queued:
            ap = (
                30
                + job.seed
                + 3 * (job.variant == "b")
                + 0.3 * np.random.default_rng([job.seed, ord(job.variant)]).normal()
            )
            job.run_dir.mkdir(parents=True)
            (job.run_dir / "metrics.json").write_text(json.dumps({"iteration": 8, "bbox/AP": ap}) + "\n")
            write_end(job, RunEnd(job.fingerprint, 1.0))
            ended.append((job, RunEnd(job.fingerprint, 1.0)))
            self.done.append(job.key)
        return ended

    def stop(self):
        pass


def test_a_study_adds_seeds_until_its_verdict_is_settled(tmp_path, capsys):
    study = tiny_study(tmp_path / "auto", {"a": [], "b": []}, seeds="auto", max_seeds=5, metrics=["AP"])
    assert study.adds_seeds and study.seeds == tuple(range(5)) and study.planned == 5
    executor = Planted()
    results = run_study(study, executor)
    number = len(results) // 2
    assert 2 < number < 5 and sorted(executor.done) == sorted((v, s) for v in "ab" for s in range(number))
    known = json.loads((study.output_dir / "looks.json").read_text())
    assert [look["seeds"] for look in known] == [list(range(n)) for n in range(2, number + 1)]
    assert [look["share"] for look in known] == pytest.approx(shares(range(2, number + 1), 5))
    assert seeds_of(study, results) == tuple(range(number)) and len(found_results(study)) == len(results)
    assert f"after {number} seeds: b is better than a in AP" in capsys.readouterr().out
    again = Planted()
    assert len(run_study(study, again)) == len(results) and not again.done


@pytest.mark.parametrize("most", [1, "many"])
def test_the_most_seeds_must_be_a_number(tmp_path, most):
    with pytest.raises(ConfigError, match="max_seeds must be"):
        tiny_study(tmp_path / "study", {"a": []}, seeds="auto", max_seeds=most)


def test_seeds_of_the_command_line_leave_the_plan_as_it_is(tmp_path):
    study = tiny_study(tmp_path / "study", {"a": []}, seeds=[0, 1, 2])
    path = study.output_dir.parent / "study.py"
    assert study.planned == load_study(path, [0, 1, 2, 3]).planned == 3
    assert load_study(path, "auto").planned == 10 and load_study(path, "auto").adds_seeds
