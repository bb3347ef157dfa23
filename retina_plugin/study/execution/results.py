"""Results of the runs of a study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...config import ConfigError
from ...printable import shown
from ...reading import read_json
from ...run_folder import is_finished, last_evaluation
from ..spec.study import Study
from .job import NOT_ENDED, RESULT, RunEnd, read_end

REPORT = "report.json"  # in the study folder


@dataclass(frozen=True)
class RunResult:
    """One training: its metrics by key of metrics.json, or the `error` that explains their absence."""

    variant: str
    seed: int
    run_dir: str
    minutes: float
    metrics: dict[str, float]
    error: str = ""
    memory_mb: float = math.nan


def found_results(study: Study) -> list[RunResult]:
    """The results in a study's folder, whatever code, config and data produced them; nothing is trained.

    Raises:
        ConfigError: if the folder's report is about runs in which something else was matched.
    """
    _check_match(study)
    return results_in_folder(study)


def results_in_folder(study: Study) -> list[RunResult]:
    """As `found_results`, also beside the report of an earlier command that matched something else."""
    results, seeds = [], study.seeds
    if study.adds_seeds:  # the first two in any case, with which such a study begins
        seeds = [s for s in seeds if s in seeds[:2] or any(study.run_dir(v.name, s).is_dir() for v in study.variants)]
    for seed in seeds:
        for variant in study.variants:
            run_dir = study.run_dir(variant.name, seed)
            end = read_end(run_dir) or RunEnd("", error=f"{run_dir / RESULT} does not exist: the run has not ended")
            if end.error == NOT_ENDED and is_finished(run_dir, study.run_config(variant, seed).train.max_iter):
                end = replace(end, error="")  # the process that records the end was killed
            results.append(result_of(study, variant.name, seed, end))
    return results


def _check_match(study: Study) -> None:
    """A report says what was matched in all runs, so a later one must say the same."""
    path = study.output_dir / REPORT
    facts = read_json(path, {}, lambda content: isinstance(content.get("facts"), dict)).get("facts", {})
    before = facts.get("match") or () if "match" in facts else study.match  # older reports lack it
    if set(before) != set(study.match):
        told, now = (f"--match {' '.join(names)}" if names else "no --match" for names in (before, study.match))
        raise ConfigError(f"{shown(path)} tells of runs with {told}, this command of {now}: give it the same")


def seeds_of(study: Study, results: Sequence[RunResult]) -> tuple[int, ...]:
    """The seeds of a study; for a study that adds seeds, only those with results."""
    ran = {result.seed for result in results}
    return tuple(seed for seed in study.seeds if seed in ran) if study.adds_seeds else study.seeds


def result_of(study: Study, variant: str, seed: int, end: RunEnd) -> RunResult:
    """The result of a run that ended."""
    run_dir = study.run_dir(variant, seed)
    return RunResult(
        variant=variant,
        seed=seed,
        run_dir=str(run_dir),
        minutes=end.minutes,
        metrics={} if end.error else last_evaluation(run_dir),
        error=end.error,
        memory_mb=end.peak_memory_mb,
    )
