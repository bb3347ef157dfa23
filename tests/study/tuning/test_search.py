"""Every variant gets the same budget, an interrupted search goes on as if nothing had happened, and failures count."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from studies import CE, tiny_study

from retina_plugin.commands.tune import tune_study
from retina_plugin.config import ConfigError, load_config
from retina_plugin.study import Study, run_study
from retina_plugin.study.execution.job import RunEnd
from retina_plugin.study.tuning import search

pytest.importorskip("optuna", reason="tuning needs Optuna: pip install '.[tune]'")
pytestmark = pytest.mark.usefixtures("unseen_figures")
ONE = {"ce": [CE]}
VARIANTS = {"focal": []} | ONE


@dataclass
class LightJob:
    """A training of a trial without its config, which takes time to load."""

    variant: str
    run_dir: Path
    max_iter: int
    lr: float
    seed: int = 0

    @property
    def key(self):
        return self.variant, self.seed

    def write_config(self):
        pass


def light_job(self, trial, rung):
    iterations = self.rungs[rung]
    lr = [float(o.partition("=")[2]) for o in trial.overrides if o.startswith("optimizer.lr=")]
    folder = self.study.output_dir / self.variant.name / f"trial{trial.number}_{iterations}"
    name = f"{self.variant.name}, trial {trial.number} of {iterations} iterations"
    return LightJob(name, folder, iterations, *(lr or [1e-3]))


class Trainings:
    """Stands for trainings: AP is highest at a learning rate of .004 and grows with the iterations."""

    def __init__(self, ends_after=math.inf, errors=None, metric="bbox/AP"):
        self.started, self.ends_after, self.errors, self.metric = [], ends_after, errors or {}, metric

    def __call__(self, prepared, executor):
        ends = {}
        for job in prepared.jobs:
            if (job.run_dir / "metrics.json").is_file():
                ends[job.key] = RunEnd("", 0.5)
                continue
            if len(self.started) >= self.ends_after:
                raise KeyboardInterrupt
            self.started.append(job.variant)
            error = next((e for name, e in self.errors.items() if re.fullmatch(name, job.variant)), "")
            ap = 30 + job.max_iter / 10 - 10 * math.log10(job.lr / 0.004) ** 2
            job.run_dir.mkdir(parents=True)
            if not error:
                (job.run_dir / "metrics.json").write_text(json.dumps({"iteration": 9, self.metric: ap}) + "\n")
            ends[job.key] = RunEnd("", 0.5, error)
        return ends


@pytest.fixture(scope="module")
def load_once():
    """Configs of studies are loaded once for all tests."""
    plain, known = Study.run_config, {}

    def run_config(self, variant, seed):
        key = (self.overrides, variant, seed)
        known[key] = known.get(key) or plain(self, variant, seed)
        return known[key].copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "run_config", run_config)
        yield


@pytest.fixture
def tuning(tmp_path, monkeypatch, load_once):
    """A function that tunes a study in a folder of tmp_path with stand-ins for trainings; the content of tuned.json."""
    monkeypatch.setattr(search.Search, "job", light_job)

    def start(name="out", trainings=None, trials=10, variants=ONE, **settings):
        study = tiny_study(tmp_path / name, variants, max_iter=40, tune={"batch": 3, "alpha": None} | settings)
        monkeypatch.setattr(search, "run", trainings or Trainings())
        return json.loads(tune_study(study, trials).read_text())

    return start


def test_every_variant_has_the_same_budget(tuning, capsys):
    tuned = tuning(variants=VARIANTS)
    for found in tuned.values():
        assert found["rungs"] == [[10, 10], [40, 2]] and found["iterations"] == 180 and found["minutes"] == 6
    printed = capsys.readouterr().out
    assert "10 of 10, then 2 of 40 iterations" in printed and re.search(r"ce +10 +0 +180 +6.0", printed)


def test_the_best_values_are_better_than_the_defaults_which_reach_the_last_rung(tuning):
    for found in tuning().values():
        last = [run for run in found["runs"] if run["iterations"] == 40]
        assert last[0]["number"] == 0 and last[0]["overrides"] == [] and last[0]["ap"] == found["default_AP"]
        assert found["AP"] > found["default_AP"] + 2 and found["AP"] == max(run["ap"] for run in last)
        lr = next(float(o.partition("=")[2]) for o in found["overrides"] if o.startswith("optimizer.lr="))
        assert abs(math.log10(lr / 0.004)) < 0.3


def test_trials_that_are_chosen_later_follow_from_those_before(tuning):
    runs = tuning(trials=16)["ce"]["runs"]
    first, last = ([r["ap"] for r in runs[:16]][part] for part in (slice(1, 7), slice(10, 16)))
    assert sum(last) > sum(first)


def test_variants_begin_with_the_same_random_values(tuning):
    tuned = tuning(trials=4, variants=VARIANTS)
    focal, ce = ([r["overrides"] for r in found["runs"][1:4]] for found in tuned.values())
    assert [own[:4] for own in focal] == ce and focal[0][4].startswith("model.cls_loss.gamma=")


@pytest.mark.parametrize("ends_after", [0, 4, 11])
def test_an_interrupted_search_goes_on_without_repeating_anything(tuning, ends_after):
    expected = tuning("whole")
    part = Trainings(ends_after)
    with pytest.raises(KeyboardInterrupt):
        tuning("part", part)
    rest = Trainings()
    assert tuning("part", rest) == expected
    assert not set(part.started) & set(rest.started) and len(part.started + rest.started) == 12
    again = Trainings()
    assert tuning("part", again) == expected and again.started == []


def test_more_trials_continue_the_search(tuning):
    few, more = tuning(trials=6), tuning(trials=9)
    assert [r["overrides"] for r in more["ce"]["runs"][:6]] == [r["overrides"] for r in few["ce"]["runs"][:6]]


def test_a_diverging_training_counts_as_zero_and_any_other_failure_stops(tuning):
    diverged = Trainings(errors={"ce, trial 2 .*": "the update of iteration 3 is not finite (loss_cls nan)"})
    tuned = tuning("diverged", diverged)
    run = tuned["ce"]["runs"][2]
    assert run["ap"] == 0 and "not finite" in run["error"] and run["iterations_done"] == 0
    with pytest.raises(ChildProcessError, match="ce, trial 1 of 10 iterations failed: no space left on device"):
        tuning("full", Trainings(errors={"ce, trial 1 .*": "no space left on device"}))


def test_an_evaluator_without_ap_is_named(tuning):
    with pytest.raises(ConfigError, match="tuning compares bbox/AP, which the evaluator of ce, trial 0 of 10"):
        tuning(trainings=Trainings(metric="validation/loss_cls"))


def test_a_folder_of_another_search_is_refused(tuning, tmp_path):
    tuning("out", trials=2)
    with pytest.raises(ConfigError, match="holds trials of another search for ce: space clip"):
        tuning("out", trials=2, clip=[1, 2])


def test_a_study_that_matches_is_refused_before_any_training(tuning, tmp_path):
    for settings in ({"match": ["prior"]}, {"match_scale": True}):
        with pytest.raises(ConfigError, match="tune a study without match"):
            tune_study(tiny_study(tmp_path / "out", ONE, **settings), 2)
    with pytest.raises(ConfigError, match="tune a study without match"):
        tune_study(tiny_study(tmp_path / "out", {"a": [], "b": [CE, "model.cls_loss_weight=matched"]}), 2)


def test_a_loss_without_a_stationary_score_is_refused_before_any_training(tuning):
    trainings, overrides = Trainings(), ["model.cls_loss=${losses.ohem}", "model.head.prior_prob=stationary"]
    with pytest.raises(ValueError, match="OHEM.*set model.head.prior_prob to a number"):
        tuning(trainings=trainings, variants={"ohem": overrides})
    assert not trainings.started


def test_rungs_of_less_than_one_iteration_and_no_trials_are_refused(tuning):
    with pytest.raises(ConfigError, match="too short for tune.rungs"):
        tuning(rungs=[0.001, 0.002])
    with pytest.raises(ConfigError, match="--trials must be 1 or more"):
        tuning(trials=0)


def test_real_trainings(tmp_path):
    """Two trials of one variant, and a run with a learning rate at which the loss is not finite."""
    study = tiny_study(tmp_path / "tune", {"ce": [CE]}, max_iter=2, tune={"rungs": [0.5]})
    found = json.loads(tune_study(study, 2).read_text())["ce"]
    assert [run["iterations_done"] for run in found["runs"]] == [1, 1] and found["minutes"] > 0
    assert load_config(study.output_dir / "ce/trial1_1/config.yaml").optimizer.lr != 1e-3
    study = tiny_study(tmp_path / "diverging", {"ce": [CE, "optimizer.lr=1e30"]}, max_iter=4)
    (result,) = run_study(study)
    assert search._DIVERGED in result.error
