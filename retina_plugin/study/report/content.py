"""The content that all three forms of a report share."""

import difflib
import math
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import detectron2
import torch

from ..execution.job import is_resampled, read_facts
from ..execution.results import RunResult, other_settings
from ..planning.looks import looks_until
from ..planning.recorded import counted_questions, late_changes
from ..planning.verdicts_at_looks import effects_at_looks, judge_looks
from ..spec.config_changes import variant_changes
from ..spec.metrics import Metric
from ..spec.study import Study
from ..statistics.measurements import Measurements
from ..statistics.table import Row, tabulate_runs
from ..statistics.verdict import Verdict, flags_of
from .costs import costs, loss_scales
from .ledger import confounds
from .opening import opening
from .scores import above_thresholds, calibrations

_PACKAGES = ("retina_plugin", "torch", "torchvision", "numpy", "scipy", "pycocotools")


def collect_content(study: Study, measurements: Measurements) -> dict[str, Any]:
    """The values that the templates show, by name."""
    names = [v.name for v in study.variants]
    hypotheses = study.questions
    missing = _missing_metrics(measurements, study.metrics)
    metrics = [m for m in study.metrics if m.name not in missing] or list(study.metrics)
    looks = looks_until(study.output_dir, study.seeds, study.planned)
    late, counted = late_changes(study), counted_questions(study)
    verdicts = judge_looks(measurements, hypotheses, counted, looks)
    rows = tabulate_runs(measurements, names, study.reference, metrics, verdicts)
    outcomes = [measurements.outcomes(name, study.metrics[0]) for name in names]
    categories = _category_metrics(study, measurements)
    return {
        "environment": _environment(study, measurements.results),
        "variants": names,
        "reference": study.reference,
        "asked": [str(h) for h in study.hypotheses],
        "not_asked": [str(h) for h in study.other_questions],
        "added_late": [str(h) for h in late.added],
        "removed_late": [str(h) for h in late.removed],
        "effects": effects_at_looks(measurements, study.factors, metrics[0], looks),
        "num_looks": len(looks),
        "opening": opening(measurements, verdicts, study.seeds),
        "verdicts": verdicts,
        "outcomes": outcomes,
        "flags": [flag for o in outcomes for flag in flags_of(o) if flag.endswith("collapsed")],
        "metrics": metrics,
        "missing": missing,
        "seeds_only": _without_images(measurements, rows),
        "above": above_thresholds(measurements, names),
        "calibration": calibrations(measurements, names),
        "rows": rows,
        "classes": categories,
        "class_rows": tabulate_runs(measurements, names, study.reference, categories),
        "paper": study.paper,
        "costs": costs(measurements, names),
        "scales": loss_scales(study),
        "confounds": confounds(study, measurements, hypotheses),
        "changes": variant_changes(study),
        "other_settings": other_settings(study, measurements.results),
        "tuning": study.tuning,
        "num_images": measurements.num_images,
        "runs": list(measurements.results),
    }


def _environment(study: Study, results: Sequence[RunResult]) -> dict[str, Any]:
    """How to repeat a study: settings, threads (empty if unknown) and versions of its runs; the report's machine."""
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = {name: metadata.version(name) for name in _PACKAGES}
    versions |= {"detectron2": detectron2.__version__, "python": platform.python_version()}
    versions |= {
        name: found for name in versions if name != "retina_plugin" and (found := _of_runs(results, "code", name))
    }
    return {
        "base": study.base,
        "seeds": list(study.seeds),
        "overrides": list(study.overrides),
        "variants": {variant.name: list(variant.overrides) for variant in study.variants},
        **study.made_alike,
        "training_images": _training_images(results),
        "command": _command(*sys.argv),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, {accelerator}",
        "threads": _of_runs(results, "threads", "of a run"),
        "versions": versions,
    }


def _command(program: str, *arguments: str) -> str:
    """The command line that repeats the report: `retina` by its name, a script with Python."""
    is_installed = Path(program).name == "retina" or Path(program).parent.name == "retina_cli"
    return shlex.join(["retina", *arguments] if is_installed else ["python", program, *arguments])


def _training_images(results: Sequence[RunResult]) -> str:
    """Which runs had a bootstrap sample of the training images; empty if none had."""
    number = sum(is_resampled(Path(result.run_dir)) for result in results)
    which = "each run" if number == len(results) else f"{number} of {len(results)} runs"
    return f"{which} on the bootstrap sample of the training images that belongs to its seed" if number else ""


def _of_runs(results: Sequence[RunResult], part: str, key: str) -> str:
    """A fact of the runs, joined by commas if the runs differ; empty if unknown."""
    found = [read_facts(Path(result.run_dir)).get(part, {}) for result in results]
    return ", ".join(sorted({facts[key] for facts in found if key in facts}))


def _missing_metrics(measurements: Measurements, metrics: Sequence[Metric]) -> dict[str, str]:
    """Reasons by name of metrics that have no value in any finished run; empty if no run finished."""
    lines = [result.metrics for result in measurements.results if not result.error]
    reported = sorted({key for line in lines for key in line if key != "iteration"})
    return {
        metric.name: _why_missing(metric, reported)
        for metric in metrics
        if lines and all(math.isnan(metric.value(line)) for line in lines)
    }


def _why_missing(metric: Metric, reported: Sequence[str]) -> str:
    if metric.key in reported:
        return "NaN in every run, as for sizes or categories that the test data do not contain"
    nearest = difflib.get_close_matches(metric.key, reported, n=3, cutoff=0.3)
    text = f"no run reports {metric.key!r}"
    return f"{text}; the nearest keys in metrics.json are {', '.join(nearest)}" if nearest else text


def _without_images(measurements: Measurements, rows: Sequence[Row]) -> list[str]:
    """Names of the metrics whose intervals are based on seeds only, although test images could be resampled."""
    means = [item for row in rows for item in row.mean.items()]
    found = {name for name, mean in means if not math.isnan(mean.mean) and not mean.num_images}
    return sorted(found) if measurements.num_images else []


def _category_metrics(study: Study, measurements: Measurements) -> list[Metric]:
    """AP of every category, from the evaluator of the study's first metric."""
    evaluator = study.metrics[0].key.partition("/")[0] + "/"
    keys = dict.fromkeys(key for result in measurements.results for key in result.metrics)
    found = [key for key in keys if key.startswith(f"{evaluator}AP-")]
    return [Metric(key, key.removeprefix(evaluator)) for key in found]


def plain_content(content: dict[str, Any]) -> dict[str, Any]:
    """The content as plain values for report.json. Its keys stay fixed, because scripts may read them."""
    plain = dict(content)
    plain["facts"], plain["dropped"] = plain.pop("environment"), plain.pop("not_asked")
    return plain | {
        "effects": [asdict(e) for e in content["effects"]],
        "verdicts": [_plain_verdict(v) for v in content["verdicts"]],
        "metrics": [m.name for m in content["metrics"]],
        "lower_is_better": [m.name for m in content["metrics"] if not m.higher_is_better],
        "rows": [_plain_row(row) for row in content["rows"]],
        "classes": [m.name for m in content["classes"]],
        "class_rows": [_plain_row(row) for row in content["class_rows"]],
        "changes": {n: [asdict(c) for c in found] for n, found in content["changes"].items()},
        "runs": [asdict(run) for run in content["runs"]],
        "confounds": (known := content["confounds"]) and known | {"rows": [asdict(row) for row in known["rows"]]},
        "outcomes": [asdict(x) for x in content["outcomes"]],
    }


def _plain_row(row: Row) -> dict[str, Any]:
    plain = asdict(row)
    return {"level": plain.pop("mean"), **plain}


def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    hypothesis = asdict(verdict.hypothesis) | {"metric": verdict.hypothesis.metric.name}
    return asdict(verdict) | {"hypothesis": hypothesis}
