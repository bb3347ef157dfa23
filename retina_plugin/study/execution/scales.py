"""Sizes of losses and gradients of a study's variants at step 0: comparing losses also compares their scales."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from detectron2.config import instantiate
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from omegaconf import DictConfig
from torch import Tensor, nn

from ...engine import RunCheckpointer
from ...engine.run_data import initial_classes
from ...engine.setup import build_model, freeze, resolve_device
from ...files import write_json
from ...reading import read_json
from .job import Job

SCALES = "scales.json"  # in the study folder
Scales = dict[str, dict[str, Any]]
logger = logging.getLogger(__name__)


def measure_scales(folder: Path, jobs: Sequence[Job], reference: str, is_scaled: Callable[[str], bool]) -> Scales:
    """Measure the scales that scales.json in a study folder lacks, and add them to the file.

    `jobs` holds one job of each variant. Returns, by variant, the values of `loss_scale` and

    - "factor": if `is_scaled`, the factor that gives the loss the gradient norm of `reference`, otherwise 1;
    - "grad_norm_total": the norm of the gradient of all losses, with the classification loss times that factor;
    - "clip_factor": this norm relative to the norm of `reference`, 1 if the latter is unknown.

    A variant that cannot be measured is left out.
    """
    known = read_scales(folder)
    for job in jobs:
        scale = known.get(job.variant, {})
        if scale.get("digest") != job.fingerprint or "grad_dot" not in scale:
            known[job.variant] = {"digest": job.fingerprint, **_scale_of(job)}
    scales = {name: scale for name, scale in known.items() if "grad_norm" in scale}
    theirs = scales.get(reference, {})
    for name, scale in scales.items():
        is_matched = theirs and is_scaled(name)
        scale["factor"] = _rounded(theirs["grad_norm"] / scale["grad_norm"] if is_matched else 1.0)
        if "grad_dot" in scale:  # earlier versions did not measure it
            scale["grad_norm_total"] = total_norm(scale, scale["factor"])
    for scale in scales.values():
        if "grad_dot" in scale:
            total = scale["grad_norm_total"]
            scale["clip_factor"] = _rounded(total / theirs["grad_norm_total"] if "grad_dot" in theirs else 1.0)
    write_json(folder / SCALES, scales)
    measured = {job.variant for job in jobs}
    return {name: scale for name, scale in scales.items() if name in measured}


def total_norm(scale: dict[str, Any], factor: float) -> float:
    """Norm of the gradient of all losses with the classification loss times `factor`, from `gradient_norms`."""
    squares = (factor * scale["grad_norm"]) ** 2 + scale["grad_norm_box"] ** 2
    return math.sqrt(max(0.0, squares + 2 * factor * scale["grad_dot"]))


def _rounded(ratio: float) -> float:
    return float(f"{ratio:.6g}")


def read_scales(folder: Path) -> Scales:
    """The content of scales.json of a study folder, by variant; empty if it cannot be read."""
    return read_json(folder / SCALES, {}, _are_scales)


def _are_scales(content: dict[str, Any]) -> bool:
    return all(isinstance(scale, dict) and _is_scale(scale) for scale in content.values())


def _is_scale(scale: dict[str, Any]) -> bool:
    numbers = [scale.get(key) for key in ("loss_cls", "grad_norm", "factor")]
    later = [scale[key] for key in ("grad_norm_box", "grad_dot", "grad_norm_total", "clip_factor") if key in scale]
    is_typed = all(isinstance(x, float) and math.isfinite(x) for x in later) and isinstance(numbers[0], float)
    is_whole = {"grad_norm_box", "grad_dot"} <= scale.keys() or not {"grad_norm_total", "grad_dot"} & scale.keys()
    return is_typed and is_whole and all(isinstance(x, float) and 0 < x < math.inf for x in numbers[1:])


def loss_scale(cfg: DictConfig) -> dict[str, float]:
    """`gradient_norms` of the first training batch before the first step."""
    model = initial_model(cfg).to(resolve_device(cfg.train.device))
    freeze(model, cfg.train.freeze)
    return gradient_norms(model, first_batch(cfg))


def initial_model(cfg: DictConfig) -> nn.Module:
    """The detector of a config with the weights that its training begins with, on the CPU."""
    model = build_model(cfg)
    RunCheckpointer(model).load_some(cfg.train.init_checkpoint, initial_classes(cfg))
    return model


def first_batch(cfg: DictConfig) -> list[dict[str, Any]]:
    """The first training batch of a config."""
    cfg = cfg.copy()
    cfg.dataloader.train.num_workers = 0
    seed_all_rng(cfg.train.seed)
    return next(iter(instantiate(cfg.dataloader.train)))


def gradient_norms(model: nn.Module, batch: list[dict[str, Any]]) -> dict[str, float]:
    """Classification loss of a batch, the norms of its gradient and of the box loss's, and their dot product.

    `loss_cls` is the value of that name in metrics.json. `grad_norm` and `grad_norm_box` are L2 norms over all
    trainable parameters, in float32, and `grad_dot` is the dot product. All other losses count as the box loss.

    Raises:
        ValueError: if `loss_cls` is none of several losses, as in FCOS.
    """
    with EventStorage():
        losses = model(batch)
    if not {"loss_cls"} < set(losses):
        raise ValueError(f"its losses are {list(losses)}, not loss_cls and others")
    loss, box_loss = losses["loss_cls"], sum(v for name, v in losses.items() if name != "loss_cls")
    parameters = [p for p in model.parameters() if p.requires_grad]
    cls_grads = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    box_grads = torch.autograd.grad(box_loss, parameters, allow_unused=True)
    pairs = [(a, b) for a, b in zip(cls_grads, box_grads, strict=True) if a is not None and b is not None]
    return {
        "loss_cls": loss.item(),
        "grad_norm": _norm(cls_grads),
        "grad_norm_box": _norm(box_grads),
        "grad_dot": float(sum((a * b).sum().item() for a, b in pairs)),
    }


def _norm(gradients: Iterable[Tensor | None]) -> float:
    return torch.stack([g.norm() for g in gradients if g is not None]).norm().item()


def _scale_of(job: Job) -> dict[str, float]:
    """The scale of a job's loss; empty if it cannot be measured, or is not a positive finite number."""
    scale: dict[str, float] = {}
    with measuring(job, "the loss"):
        scale = loss_scale(job.config)
    return scale if 0 < scale.get("grad_norm", 0.0) < math.inf else {}


@contextmanager
def measuring(job: Job, what: str) -> Iterator[None]:
    """Compute with the threads of the job; an error ends the block and is logged with `what`, not raised."""
    threads = torch.get_num_threads()
    torch.set_num_threads(job.threads)
    try:
        yield
    except (ValueError, OSError, RuntimeError) as e:  # torch reports memory and shapes as RuntimeError
        logger.warning("%s of %s cannot be measured: %s", what, job.name, e)
    finally:
        torch.set_num_threads(threads)
        torch.cuda.empty_cache()  # does nothing where CUDA was not used
