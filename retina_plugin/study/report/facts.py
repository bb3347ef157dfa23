"""What a report says besides accuracy: where it was made, how to repeat it, time and memory, scales of the losses."""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import detectron2
import numpy as np
import torch

from ..execution.job import FACTS
from ..execution.results import RunResult
from ..spec.study import Study
from ..statistics.measurements import Measurements

__all__ = ["costs", "environment", "loss_scales"]

_PACKAGES = ("retina_plugin", "torch", "torchvision", "numpy", "scipy", "pycocotools")


def environment(study: Study, results: Sequence[RunResult]) -> dict[str, Any]:
    """Base, seeds, overrides, command, machine, CPU threads of a run (as text, empty if unknown) and versions."""
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {
        "base": study.base,
        "seeds": list(study.seeds),
        "overrides": list(study.overrides),
        "command": shlex.join(["python", *sys.argv]),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, {_accelerator()}",
        "threads": ", ".join(sorted({t for r in results if (t := _threads(r))})),
        "versions": versions
        | {"detectron2": detectron2.__version__, "python": platform.python_version()},
    }


def _threads(result: RunResult) -> str:
    path = Path(result.run_dir, FACTS)
    return json.loads(path.read_text())["threads"]["of a run"] if path.is_file() else ""


def _accelerator() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


def costs(measurements: Measurements, variants: Sequence[str]) -> list[dict[str, Any]]:
    """Mean minutes and peak memory in MB of a run, by variant; NaN where no run says."""
    rows = []
    for name in variants:
        runs = list(measurements.finished(name).values())
        rows.append(
            {
                "variant": name,
                "minutes": _mean([r.minutes for r in runs]),
                "memory_mb": _mean([r.memory_mb for r in runs]),
            }
        )
    return rows


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan


def loss_scales(study: Study) -> list[dict[str, Any]]:
    """Loss and gradient at step 0 by variant, as scales.json in the study's folder has them; empty without it.

    `loss_ratio` and `grad_ratio` are to the reference, NaN if that is not there; `matched` says whether the study
    matched its gradients, each by its factor.
    """
    path = study.output_dir / "scales.json"
    scales = json.loads(path.read_text()) if path.is_file() else {}
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
