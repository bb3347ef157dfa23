"""Results of the runs of a study, also of variants that `--only` leaves out."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...config import ConfigError
from ...engine.reliability.config_values import differing_values
from ...engine.setup import PRIOR
from ...modeling.losses import STATIONARY
from ...printable import few, shown
from ...reading import read_json
from ...run_folder import is_finished, last_evaluation
from ..spec.study import Study, Variant
from .fingerprint import config_facts
from .job import NOT_ENDED, RESULT, RunEnd, read_end, read_facts
from .matching import matched_keys, resolve_prior

logger = logging.getLogger(__name__)
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


def other_settings(study: Study, results: Sequence[RunResult]) -> list[str]:
    """One sentence for each finished run that was trained with other settings than the study says now.

    Such runs are in the folder after the study file or the overrides of the command line have changed. A "stationary"
    prior and matched values are not compared, because a run has numbers there, nor runs without facts.json.
    """
    variants = {variant.name: variant for variant in study.variants}
    finished = [result for result in results if result.variant in variants and not result.error]
    told = {(r.variant, r.seed): _other_values(study, variants[r.variant], r) for r in finished}
    return [
        f"{variant}, seed {seed} was trained with other settings than these: {few(values, 3, '; ')}"
        for (variant, seed), values in told.items()
        if values
    ]


def _other_values(study: Study, variant: Variant, result: RunResult) -> list[str]:
    before = read_facts(Path(result.run_dir)).get("config")
    if not before:
        return []
    now = config_facts(study.run_config(variant, result.seed))
    known = matched_keys(study, variant.name, now) | ({PRIOR} if now.get(PRIOR) == STATIONARY else set())
    differ = {key: pair for key, pair in differing_values(before, now).items() if key not in known}
    outer_first = sorted(differ.items(), key=lambda item: item[0].count("."))  # others often refer to outer ones
    return [f"{key} was {shown(old, 80)}, not {shown(new, 80)}" for key, (old, new) in outer_first]


def hidden_results(study: Study, results: Sequence[RunResult]) -> list[RunResult]:
    """The runs of `study.hidden` that lie in its folder, so that leaving variants out changes no p-value.

    A folder may also hold runs of other settings, data or code. So a run counts only if it differs from a run of
    `results` with the same seed only in values that the study gives its variant. Runs without facts.json count if the
    runs of `results` have none either. Runs of a variant whose config or data cannot be used now do not count.
    """
    peers = {r.seed: facts for r in results if (facts := read_facts(Path(r.run_dir)))}
    kept = []
    for variant in study.hidden:
        try:
            found = results_in_folder(replace(study, variants=(variant,)))
            kept += [r for r in found if _belongs(study, variant, r, peers.get(r.seed, {}))]
        except ValueError as e:  # what does not run cannot end the report of what ran
            logger.warning("runs of %s do not count in corrections: %s", variant.name, e)
    return kept


def _belongs(study: Study, variant: Variant, result: RunResult, peer: Mapping[str, Mapping[str, str]]) -> bool:
    facts = read_facts(Path(result.run_dir))
    if not facts or not peer:
        return not facts and not peer
    mine, theirs = facts["config"], peer["config"]
    differs = {key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key)}
    may_differ = {"start"} | ({"data"} if any(key.startswith("dataloader.") for key in differs) else set())
    if any(_conflict(facts.get(part, {}), peer.get(part, {})) for part in {*facts, *peer} - may_differ - {"config"}):
        return False
    cfg = study.run_config(variant, result.seed)
    if PRIOR in differs:
        resolve_prior(cfg)
    own = config_facts(cfg)
    matched = matched_keys(study, variant.name, own)
    return all((mine.get(key) == own.get(key)) != (key in matched) for key in differs | matched)


def _conflict(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return any(one[key] != other[key] for key in {*one} & {*other})


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
