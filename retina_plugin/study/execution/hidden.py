"""Runs of the variants that `--only` leaves out, if they belong to the reported study."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...engine.setup import PRIOR
from ..spec.study import Study, Variant
from .fingerprint import config_facts
from .job import read_facts
from .matching import matched_keys, resolve_prior
from .results import RunResult, results_in_folder

logger = logging.getLogger(__name__)


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
