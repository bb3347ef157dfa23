"""Time and memory of the runs of a study, and the scale of their losses."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..execution.scales import read_scales
from ..spec.study import Study
from ..statistics.measurements import Measurements


def costs(measurements: Measurements, variants: Sequence[str]) -> list[dict[str, Any]]:
    """Mean minutes and mean peak memory in MB of a run, by variant; NaN if no run reports them."""
    return [
        {
            "variant": name,
            "minutes": mean_of_known(run.minutes for run in measurements.finished(name).values()),
            "memory_mb": mean_of_known(run.memory_mb for run in measurements.finished(name).values()),
        }
        for name in variants
    ]


def mean_of_known(values: Iterable[float]) -> float:
    """The mean without NaN; NaN if all are."""
    known = [v for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan


def loss_scales(study: Study) -> list[dict[str, Any]]:
    """Loss and gradient norm at step 0 by variant, from scales.json in the study folder; empty without the file.

    `loss_ratio` and `grad_ratio` are relative to the reference, NaN if it was not measured. `matched` says whether the
    study multiplied each loss by its factor to match the gradient norms.
    """
    scales = read_scales(study.output_dir)
    reference = scales.get(study.reference, {})
    matched = any(scale.get("factor", 1.0) != 1.0 for scale in scales.values())
    return [
        {
            "variant": v.name,
            **scales[v.name],
            "loss_ratio": _ratio(scales[v.name], reference, "loss_cls"),
            "grad_ratio": _ratio(scales[v.name], reference, "grad_norm"),
            "matched": matched,
        }
        for v in study.variants
        if v.name in scales
    ]


def _ratio(scale: dict[str, float], reference: dict[str, float], key: str) -> float:
    return scale[key] / reference[key] if reference.get(key) and key in scale else math.nan
