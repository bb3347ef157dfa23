"""tuned.json: the best values of every variant, and their use in a study."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...config import ConfigError
from ...engine.reliability.config_values import config_values
from ...files import write_json
from ...printable import few
from ...reading import read_small
from ..execution.fingerprint import RunFacts, changes
from ..spec.study import Study, Variant
from .space import with_tuned

if TYPE_CHECKING:
    from .search import Search

TUNED = "tuned.json"
_NUMBERS = ("AP", "default_AP", "trials", "iterations", "minutes")
# keys that tuning sets itself or that do not change what a training learns
_FREE = (
    "train.output_dir",
    "train.seed",
    "train.optimize_model",
    "train.activation_checkpointing",
    "train.vis_",
    "train.imbalance_period",
    "train.eval_period",
    "train.log_period",
    "train.checkpointer",
    "train.device",
    "model.test_score_thresh",
    "dataloader.test.",
    "dataloader.evaluator.",
    "dataloader.train.num_workers",
)


def config_facts(study: Study, variant: Variant) -> RunFacts:
    """The values of a variant's config that its tuned values depend on, as text by key, in the part "config"."""
    values = config_values(study.run_config(variant, 0))
    return {"config": {key: value for key, value in values.items() if not key.startswith(_FREE)}}


def write_tuned(folder: Path, searches: Sequence["Search"], trials: int) -> dict[str, dict[str, Any]]:
    """Add the results of searches to tuned.json in a folder; returns its new content by variant."""
    known = _read(folder / TUNED) if (folder / TUNED).is_file() else {}
    known |= {search.variant.name: _outcome(search, trials) for search in searches}
    write_json(folder / TUNED, known)
    return known


def _outcome(search: "Search", trials: int) -> dict[str, Any]:
    best = max(search.runs[-1], key=lambda run: (run.ap, -run.number))  # the earliest trial of equal ones
    every = [run for rung in search.runs for run in rung]
    return {
        "overrides": list(best.overrides),
        "AP": best.ap,
        "default_AP": next(run.ap for run in search.runs[-1] if run.number == 0),
        "trials": trials,
        "rungs": [[iterations, len(runs)] for iterations, runs in zip(search.rungs, search.runs, strict=True)],
        "iterations": sum(run.iterations_done for run in every),
        "minutes": sum(run.minutes for run in every),
        "config": config_facts(search.study, search.variant)["config"],
        "runs": [asdict(run) for run in every],
    }


def apply_tuned(study: Study, path: str | Path) -> Study:
    """The study with the best overrides of tuned.json before each variant's own, and `tuning` set to their results.

    Raises:
        ConfigError: if the file cannot be read, lacks a variant, tuned another config, or gave variants different
            budgets, and for a study that also matches starts, scales or clipping.
    """
    tuned = _read(Path(path))
    if study.match or any(study.is_scaled(v.name) for v in study.variants):
        raise ConfigError(f"tuned_by and match both set starts, scales or clipping: {path} was tuned without matching")
    variants = {v.name: v for v in (study.partner, *study.variants)}
    for variant in variants.values():
        _check(tuned, study, variant, Path(path))
    budgets = {name: (tuned[name]["trials"], tuned[name]["rungs"]) for name in variants}
    if len({str(budget) for budget in budgets.values()}) > 1:
        raise ConfigError(
            f"{path}: the variants were tuned with different budgets, which are (trials, [iterations, trials] of every "
            f"rung): {budgets}"
        )
    every = (*variants.values(), *study.hidden)
    applied = {v.name: with_tuned(v, tuned[v.name]["overrides"]) if v.name in tuned else v for v in every}
    shown = ("overrides", *_NUMBERS)
    return replace(
        study,
        variants=tuple(applied[v.name] for v in study.variants),
        partner=applied[study.partner.name],
        hidden=tuple(applied[v.name] for v in study.hidden),
        tuning={"file": str(path), "variants": {v.name: {k: tuned[v.name][k] for k in shown} for v in study.variants}},
    )


def _check(tuned: Mapping[str, Any], study: Study, variant: Variant, path: Path) -> None:
    if variant.name not in tuned:
        raise ConfigError(f"{path} has no variant {variant.name!r}, only {sorted(tuned)}: tune it with retina tune")
    if changed := changes({"config": tuned[variant.name]["config"]}, config_facts(study, variant)):
        raise ConfigError(f"{path} tuned another config of {variant.name}: {few(changed, 3, '; ')}")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError) as e:
        raise ConfigError(f"tuned values {path} cannot be read: {e}") from e
    if not isinstance(content, dict) or not all(map(_is_outcome, content.values())):
        raise ConfigError(f"{path} is not a file of tuned values, which retina tune writes as {TUNED}")
    return content


def _is_outcome(content: Any) -> bool:
    """Whether this is what `_outcome` gives."""
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        return False
    lists = [content.get(key) for key in ("overrides", "rungs", "runs")]
    return (
        all(isinstance(content.get(key), int | float) for key in _NUMBERS)
        and all(isinstance(x, list) for x in lists)
        and all(isinstance(x, str) for x in [*lists[0], *content["config"].values()])
    )
