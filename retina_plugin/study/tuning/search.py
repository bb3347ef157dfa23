"""Successive halving for every variant of a study: all trials train briefly, the best ones train in full.

Source: Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification; Li et al. 2017, Hyperband, section 2.2.
Rungs are synchronous, so every variant gets the same number of iterations. The default config reaches every rung, so
that the gain of tuning is known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omegaconf import DictConfig

from ...config import ConfigError
from ...engine.output_folder import check_output_dir
from ...engine.reliability.folder_lock import FolderLock
from ...run_folder import iterations_done, last_evaluation
from ..execution.executors import Executor, LocalExecutor
from ..execution.fingerprint import run_facts
from ..execution.job import Job, RunEnd
from ..execution.matching import resolve_prior
from ..execution.prepare import Prepared
from ..execution.runner import run, sigterm_unwinds
from ..spec.metrics import COCO_METRICS
from ..spec.study import Study, Variant
from .held_out import check_disjoint, hold_out
from .space import search_space, with_tuned
from .trials import Trial, Trials
from .tuned import config_facts

_AP = COCO_METRICS[0]
_DIVERGED = "is not finite"  # in the error of a run that the guard stopped


@dataclass(frozen=True)
class TrialRun:
    """One training of a trial: its iterations, its AP (0 if it diverged), minutes, and why it diverged."""

    number: int
    overrides: tuple[str, ...]
    iterations: int
    iterations_done: int
    ap: float
    minutes: float
    error: str = ""


class Search:
    """The search for one variant."""

    def __init__(self, study: Study, variant: Variant, threads: int) -> None:
        """`study.output_dir` is the folder of the tuning.

        Raises:
            ConfigError, DataError: for rungs that are too short, data that cannot be held out, or other trials there.
            ValueError: for a "stationary" prior of a loss that has no such score.
        """
        self.study, self.variant, self.threads = study, variant, threads
        settings = study.tune
        self.space = search_space(study, variant, settings)
        config = study.run_config(variant, settings.seed)
        self.rungs = [max(1, round(share * config.train.max_iter)) for share in settings.rungs]
        if sorted(set(self.rungs)) != self.rungs:
            raise ConfigError(f"train.max_iter={config.train.max_iter} is too short for tune.rungs={settings.rungs}")
        held_out = self._config(Trial(0, (), None), 0)
        check_disjoint(held_out, config)
        facts = config_facts(study, variant) | {"data": run_facts(held_out, threads)["data"]}
        resolve_prior(held_out)  # a loss without a stationary score would end the search hours later
        facts |= {"rungs": {"iterations": str(self.rungs), "batch": str(settings.batch)}}
        self.trials = Trials(study.output_dir, variant.name, self.space, settings.seed, facts)
        self.runs: list[list[TrialRun]] = [[] for _ in self.rungs]

    def job(self, trial: Trial, rung: int) -> Job:
        """The training job of a trial in a rung."""
        name = f"{self.variant.name}, trial {trial.number} of {self.rungs[rung]} iterations"
        return Job.of(name, self._config(trial, rung), self.threads)

    def promoted(self, rung: int, trials: int) -> list[Trial]:
        """The trials of a rung: the best of the rung before, always with the default (trial 0), sorted by number."""
        by_number = {t.number: t for t in self.trials.all()}
        before = sorted(self.runs[rung - 1], key=lambda r: (-r.ap, r.number))
        count = trials
        for _ in range(rung):
            count = self.study.tune.survivors(count)
        best = [r.number for r in before][:count]
        chosen = best if 0 in best else [*best[:-1], 0]
        return [by_number[number] for number in sorted(chosen)]

    def _config(self, trial: Trial, rung: int) -> DictConfig:
        settings = self.study.tune
        config = self.study.run_config(with_tuned(self.variant, trial.overrides), settings.seed)
        hold_out(config, settings.share)
        folder = self.study.output_dir / self.variant.name / f"trial{trial.number}_{self.rungs[rung]}"
        own = {"output_dir": str(folder.resolve()), "max_iter": self.rungs[rung], "eval_period": 0, "vis_period": 0}
        for key, value in own.items():
            config.train[key] = value
        return config


def tune(study: Study, trials: int, executor: Executor | None = None) -> list[Search]:
    """Search for every variant with `trials` trials each, in the study's folder; returns the finished searches.

    Finished trials are not repeated. An interrupted training continues from its last checkpoint. The chosen trials and
    their results do not depend on how many trainings run at once.

    Raises:
        ConfigError, DataError, ValueError: for settings, a config or data that cannot be used.
        FolderInUseError: if another process uses the folder.
        ChildProcessError: if a training fails for a reason other than a diverging loss.
        KeyboardInterrupt, SystemExit: as `run_study`.
    """
    if trials < 1:
        raise ConfigError(f"--trials must be 1 or more, got {trials}")
    if study.match or any(study.is_scaled(variant.name) for variant in study.variants):
        raise ConfigError("tuning and match both set starts, scales or clipping: tune a study without match")
    executor = executor or LocalExecutor()
    study = replace(study, threshold_free=True)
    check_output_dir(study.output_dir, "--output")
    with sigterm_unwinds(), FolderLock(study.output_dir):
        study.output_dir.mkdir(parents=True, exist_ok=True)
        searches = [Search(study, variant, executor.threads) for variant in study.variants]
        _search(searches, trials, executor)
        for rung in range(1, len(study.tune.rungs)):
            _train([(s, rung, t) for s in searches for t in s.promoted(rung, trials)], executor)
    return searches


def _search(searches: Sequence[Search], trials: int, executor: Executor) -> None:
    """Train the first rung in batches of trials, each chosen from the results of the batches before."""
    batch = searches[0].study.tune.batch
    for end in [*range(batch, trials, batch), trials]:
        for search in searches:
            search.trials.ask(end)
        first = end - 1 - (end - 1) % batch
        wanted = [(s, 0, t) for s in searches for t in s.trials.all()[first:end]]
        _train(wanted, executor)
        for search, _, trial in wanted:
            if trial.value is None:
                search.trials.tell(trial.number, search.runs[0][trial.number].ap)


def _train(wanted: Sequence[tuple[Search, int, Trial]], executor: Executor) -> None:
    jobs = [search.job(trial, rung) for search, rung, trial in wanted]
    for job in jobs:
        job.write_config()
    ends = run(Prepared(jobs, {}, []), executor)
    for job, (search, rung, trial) in zip(jobs, wanted, strict=True):
        search.runs[rung].append(_result(job, ends[job.key], trial))


def _result(job: Job, end: RunEnd, trial: Trial) -> TrialRun:
    if end.error and _DIVERGED not in end.error:
        raise ChildProcessError(f"{job.variant} failed: {end.error}; the same command goes on from there")
    metrics = {} if end.error else last_evaluation(job.run_dir)
    if not end.error and _AP.key not in metrics:
        raise ConfigError(f"tuning compares {_AP.key}, which the evaluator of {job.variant} does not give")
    ap = 0.0 if end.error else _AP.value(metrics)
    if math.isnan(ap):
        raise ConfigError(f"the images that are held out have no objects: {job.config.dataloader.test.dataset.names}")
    done = min(iterations_done(job.run_dir), job.max_iter) if end.error else job.max_iter
    return TrialRun(trial.number, trial.overrides, job.max_iter, done, ap, end.minutes, end.error)
