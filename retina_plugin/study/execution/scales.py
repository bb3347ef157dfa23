"""How large the losses of a study's variants are at step 0: a comparison of losses also compares their scales."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import instantiate
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from omegaconf import DictConfig

from ...engine import RunCheckpointer
from ...engine.setup import build_model, freeze, resolve_device
from ...files import read_json, write_json
from .job import Job

SCALES = "scales.json"  # in the study folder
Scales = dict[str, dict[str, Any]]
logger = logging.getLogger(__name__)


def measure_scales(folder: Path, jobs: Sequence[Job], reference: str, match: bool) -> Scales:
    """Measure the scales that scales.json in a study folder does not know yet, and complete it.

    `jobs` are one of each variant. Returns, by variant, what `loss_scale` gives and "factor": with `match`, the factor
    that gives the loss the gradient norm of `reference`, otherwise 1. A variant that cannot be measured is left out.
    """
    known = read_scales(folder)
    new = [job for job in jobs if known.get(job.variant, {}).get("digest") != job.fingerprint]
    known |= {job.variant: {"digest": job.fingerprint, **_scale_of(job)} for job in new}
    scales = {name: scale for name, scale in known.items() if "grad_norm" in scale}
    is_matched = match and reference in scales
    for scale in scales.values():
        ratio = scales[reference]["grad_norm"] / scale["grad_norm"] if is_matched else 1.0
        scale["factor"] = float(f"{ratio:.6g}")
    write_json(folder / SCALES, scales)
    measured = {job.variant for job in jobs}
    return {name: scale for name, scale in scales.items() if name in measured}


def read_scales(folder: Path) -> Scales:
    """What scales.json of a study folder holds; empty if it cannot be read."""
    return read_json(folder / SCALES, {}, _are_scales)


def _are_scales(content: dict[str, Any]) -> bool:
    return all(isinstance(scale, dict) and _is_scale(scale) for scale in content.values())


def _is_scale(scale: dict[str, Any]) -> bool:
    numbers = [scale.get(key) for key in ("loss_cls", "grad_norm", "factor")]
    return all(isinstance(x, float) and 0 < x < math.inf for x in numbers[1:]) and isinstance(numbers[0], float)


def loss_scale(cfg: DictConfig) -> dict[str, float]:
    """Classification loss of the first training batch before the first step, and the norm of its gradient.

    `loss_cls` is the value of that name in metrics.json. `grad_norm` is the L2 norm of its gradient over all trainable
    parameters of backbone, pyramid and head, in float32.
    """
    cfg = cfg.copy()
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


def _scale_of(job: Job) -> dict[str, float]:
    """The scale of a job's loss; empty if it cannot be measured, or is not a positive finite number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(job.threads)
    try:
        scale = loss_scale(job.config)
    except (ValueError, OSError, RuntimeError) as e:  # as RuntimeError, torch reports memory and shapes
        logger.warning("the loss of %s cannot be measured: %s", job.name, e)
        return {}
    finally:
        torch.set_num_threads(threads)
        torch.cuda.empty_cache()  # does nothing where CUDA was not used
    return scale if 0 < scale["grad_norm"] < math.inf else {}
