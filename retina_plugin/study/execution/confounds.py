"""Measure unintended differences between the variants of a study.

These are where each loss starts, and the share of the classification loss in the gradient during training.
`study.statistics.confounds` compares variants by them.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ...engine import RunCheckpointer
from ...engine.setup import PRIOR, build_model, freeze, resolve_device
from ...files import write_json
from ...modeling.losses import stationary_prob
from ...printable import first_line
from ...reading import read_json
from ...run_folder import FINAL_CHECKPOINT, iteration_checkpoints
from .job import Job, known_end
from .matching import foreground_share
from .scales import first_batch, gradient_norms, initial_model, measuring

CONFOUNDS = "confounds.json"  # in the study folder


def measure_confounds(folder: Path, samples: Sequence[Job], jobs: Sequence[Job]) -> None:
    """Measure what confounds.json in a study folder lacks, and add it to the file. Runs are read, not changed.

    `samples` are one job of each variant before training, `jobs` the jobs that have run. By variant, the file holds

    - "foreground_share", "prior_prob" and "stationary_prob", or "unknown", the reason for their absence;
    - "course": by number of iterations, the gradient norm of the classification loss over the sum of the gradient norms
      of both losses, on one batch in training mode, for the checkpoints of the variant's first job in `jobs`.
    """
    known = read_confounds(folder)
    for sample in samples:
        entry = known.get(sample.variant, {})
        if entry.get("digest") != sample.fingerprint:
            entry = {"digest": sample.fingerprint, **_start_of(sample)}
        job = next((job for job in jobs if job.variant == sample.variant), None)
        if job is not None and (end := known_end(job)) is not None and not end.error:
            entry |= _course_of(job, sample, entry)
        known[sample.variant] = entry
    write_json(folder / CONFOUNDS, known)


def read_confounds(folder: Path) -> dict[str, dict[str, Any]]:
    """The content of confounds.json of a study folder, by variant; empty if it cannot be read."""
    return read_json(folder / CONFOUNDS, {}, lambda content: all(map(_is_entry, content.values())))


def classification_share(norms: dict[str, float], factor: float = 1.0) -> float:
    """Share of the classification loss, times `factor`, in the sum of both gradient norms; NaN if both are 0."""
    cls, box = factor * norms["grad_norm"], norms["grad_norm_box"]
    return cls / (cls + box) if cls + box else math.nan


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("course", {}), dict):
        return False
    probs = [entry[key] for key in ("foreground_share", "prior_prob", "stationary_prob") if key in entry]
    shares = entry.get("course", {})
    return (
        all(isinstance(p, float) and 0 < p < 1 for p in probs)
        and all(k.isascii() and k.isdigit() and isinstance(share, float) for k, share in shares.items())
        and isinstance(entry.get("unknown", ""), str)
    )


def _start_of(sample: Job) -> dict[str, Any]:
    cfg = sample.config
    try:
        model = initial_model(cfg)
        prior = OmegaConf.select(cfg, PRIOR)
        bias = model.cls_loss.prior_bias(model.num_classes, prior).repeat(model.head.num_anchors)
        if not bias.equal(model.head.cls_score.bias.detach()):
            return {"unknown": "it does not start from the bias of model.head.prior_prob"}
        share = foreground_share(cfg)
        found = {"foreground_share": share, "prior_prob": float(prior)}
        return found | {"stationary_prob": stationary_prob(model.cls_loss, model.num_classes, share)}
    except (ValueError, OSError, RuntimeError, AttributeError, TypeError) as e:
        return {"unknown": first_line(e)}


def _course_of(job: Job, sample: Job, known: dict[str, Any]) -> dict[str, Any]:
    """ "course" of a finished run, and "run", the fingerprint of this run."""
    checkpoints = {int(path.stem.removeprefix("model_")) + 1: path for path in iteration_checkpoints(job.run_dir)}
    checkpoints[job.max_iter] = job.run_dir / FINAL_CHECKPOINT
    course = dict(known.get("course", {})) if known.get("run") == job.fingerprint else {}
    course = {iteration: share for iteration, share in course.items() if int(iteration) in checkpoints}
    missing = {iteration: path for iteration, path in checkpoints.items() if str(iteration) not in course}
    if missing:
        with measuring(job, "the gradients"):
            batch = first_batch(sample.config)
            model = build_model(job.config, pretrained=False).to(resolve_device(job.config.train.device))
            freeze(model, job.config.train.freeze)
            for iteration, path in sorted(missing.items()):
                RunCheckpointer(model).load_some(str(path), averaged=False)
                share = classification_share(gradient_norms(model, batch))
                if math.isfinite(share):
                    course[str(iteration)] = share
    return {"run": job.fingerprint, "course": dict(sorted(course.items(), key=lambda item: int(item[0])))}
