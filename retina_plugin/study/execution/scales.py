"""How large the losses of a study's variants are at step 0, so that nobody compares a loss with a learning rate."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import instantiate
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from omegaconf import DictConfig

from ...config import load_config
from ...engine import RunCheckpointer
from ...engine.setup import build_model, freeze, resolve_device
from ...files import write_json
from .child import begin_process
from .job import Job
from .processes import run_side_by_side

__all__ = ["SCALES", "Scales", "loss_scale", "measure_scales"]

SCALES = "scales.json"  # in the study folder
Scales = dict[str, dict[str, Any]]


def measure_scales(
    folder: Path, jobs: Sequence[Job], reference: str, match: bool, log: Path
) -> Scales:
    """Write scales.json into a study folder: scales by variant, as `loss_scale` has them, with their `factor`.

    Args:
        folder: of the study. What its scales.json knows already is not measured again.
        jobs: one of each variant.
        reference: the variant whose gradient the factors lead to.
        match: whether there are factors other than 1.
        log: for what goes wrong.

    Returns:
        The scales of the variants that could be measured.
    """
    path = folder / SCALES
    known = json.loads(path.read_text()) if path.is_file() else {}
    new = [job for job in jobs if known.get(job.variant, {}).get("digest") != job.digest]
    known |= _measure(folder, new, log)
    scales = {name: scale for name, scale in known.items() if "grad_norm" in scale}
    for scale in scales.values():
        scale["factor"] = (
            _factor(scales[reference], scale) if match and reference in scales else 1.0
        )
    write_json(path, scales)
    measured = {job.variant for job in jobs}
    return {name: scale for name, scale in scales.items() if name in measured}


def loss_scale(cfg: DictConfig) -> dict[str, float]:
    """Classification loss of the first training batch before the first step, and the norm of its gradient.

    `loss_cls` is what metrics.json calls so; `grad_norm` is the L2 norm of its gradient over all parameters that
    train, those of backbone, pyramid and head, in float32.
    """
    cfg.dataloader.train.num_workers = 0
    model = build_model(cfg).to(resolve_device(cfg.train.device))
    RunCheckpointer(model).load_some(cfg.train.init_checkpoint)
    freeze(model, cfg.train.freeze)
    seed_all_rng(cfg.train.seed)
    batch = next(iter(instantiate(cfg.dataloader.train)))
    with EventStorage():
        loss = model(batch)["loss_cls"]
    loss.backward()
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    return {"loss_cls": loss.item(), "grad_norm": torch.stack(norms).norm().item()}


def _factor(reference: dict[str, float], scale: dict[str, float]) -> float:
    return float(f"{reference['grad_norm'] / scale['grad_norm']:.6g}")


def _measure(folder: Path, jobs: Sequence[Job], log: Path) -> Scales:
    """In processes of their own: a variant that cannot be built takes nothing with it."""
    targets = {job.variant: folder / f"{job.variant}.scale.json" for job in jobs}
    for target in targets.values():
        target.unlink(missing_ok=True)
    calls = ((job, targets[job.variant].resolve(), log.resolve()) for job in jobs)
    run_side_by_side(_write_scale, calls, at_once=1)  # each may need all that a GPU has
    return {job.variant: {"digest": job.digest, **_take(targets[job.variant])} for job in jobs}


def _take(path: Path) -> dict[str, float]:
    """The scale that was measured, and its file is gone; empty if there is none that can be used."""
    if not path.is_file():
        return {}
    scale = json.loads(path.read_text())
    path.unlink()
    return scale if 0 < scale["grad_norm"] < math.inf else {}


def _write_scale(job: Job, target: Path, log: Path) -> None:
    begin_process(log, job.cwd, job.threads)
    write_json(target, loss_scale(load_config(job.base, job.overrides)))
