"""Collects the differences between the variants of a study besides their results, for `statistics.confounds`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ...config import EVERYTHING, ConfigError
from ...modeling.losses import start_distance
from ...run_folder import CLIPPED, read_config, read_metrics
from ..evidence.by_image import Evidence, evaluator_argument
from ..execution.confounds import classification_share, read_confounds
from ..execution.results import RunResult
from ..execution.scales import read_scales
from ..spec.hypothesis import Hypothesis
from ..spec.study import Study
from ..statistics.confounds import Ledger
from ..statistics.measurements import Measurements
from .costs import mean_of_known
from .warnings import warn, warn_of_factors


def confounds(study: Study, measurements: Measurements, hypotheses: Sequence[Hypothesis]) -> dict[str, Any]:
    """What a report says about confounds: "rows" with a ledger per variant, "warnings", and names in "matched".

    Empty if nothing is known about any variant.
    """
    rows = collect_ledger(study, measurements)
    is_known = any(row != Ledger(row.variant) for row in rows)
    warnings = [*warn(study, rows, hypotheses), *warn_of_factors(study, rows)]
    return {"rows": rows, "warnings": warnings, "matched": list(study.match)} if is_known else {}


def collect_ledger(study: Study, measurements: Measurements) -> list[Ledger]:
    """One ledger per variant, from the files in the study folder and in its runs."""
    scales, starts = read_scales(study.output_dir), read_confounds(study.output_dir)
    ledgers = []
    for variant in study.variants:
        runs = list(measurements.finished(variant.name).values())
        found = [_of_run(run, measurements.evidence.get((run.variant, run.seed))) for run in runs]
        keys = {key for values in found for key in values}
        means = {key: mean_of_known(values[key] for values in found if key in values) for key in keys}
        start = _start(starts.get(variant.name, {}))
        shares = {int(k): share for k, share in starts.get(variant.name, {}).get("course", {}).items()}
        scale = scales.get(variant.name, {})
        if "grad_norm_total" in scale:
            start["grad_norm"] = scale["grad_norm_total"]
            shares[0] = classification_share(scale, scale["factor"])
        ledgers.append(Ledger(variant.name, **start, **means, cls_shares=dict(sorted(shares.items()))))
    return ledgers


def _start(entry: dict[str, Any]) -> dict[str, Any]:
    found = {key: entry[key] for key in ("prior_prob", "stationary_prob", "unknown") if key in entry}
    if {"prior_prob", "stationary_prob"} <= set(found):
        found["start_distance"] = start_distance(found["prior_prob"], found["stationary_prob"])
    return found


def _of_run(run: RunResult, evidence: Evidence | None) -> dict[str, float]:
    """Values of a run folder under the attribute names of `Ledger`; empty if its config cannot be read."""
    lines = [line for line in read_metrics(run.run_dir) if "lr" in line]
    try:
        cfg = read_config(run.run_dir, trust=EVERYTHING)
        found = _scores(cfg, evidence)
    except (ConfigError, OSError, OmegaConfBaseException):
        return {}
    if not lines:
        return found
    last, steps = lines[-1], max(1, lines[-1]["iteration"] + 1)
    highest = max(line["lr"] for line in lines)
    clipped = 0.0 if cfg.train.clip_grad_norm is None else last.get(CLIPPED, math.nan) / steps
    return found | {
        "clipped_share": clipped,
        "last_lr": last["lr"],
        "lr_share": last["lr"] / highest if highest else math.nan,
        "schedule_left": max(0.0, 1 - steps / cfg.train.max_iter),
    }


def _scores(cfg: DictConfig, evidence: Evidence | None) -> dict[str, float]:
    cut = float(cfg.model.get("test_score_thresh", math.nan))
    deployed = evaluator_argument(cfg, "deployment_thresh")
    threshold = cut if deployed is None else float(deployed)
    known = evidence is not None and (cut < threshold or threshold == 0)
    return {"threshold": threshold, "hidden_share": hidden_share(evidence, threshold) if known else math.nan}


def hidden_share(evidence: Evidence, threshold: float) -> float:
    """Share of the true positives at IoU .5 with a score below `threshold`; NaN without true positives."""
    scores = [found.score[found.matched[0] & ~found.ignored[0]] for found in evidence.matches.ranked[0]]
    positives = np.concatenate([np.zeros(0), *scores])
    return float((positives < threshold).mean()) if len(positives) else math.nan
