"""Time of inference: RetinaNet of Detectron2 and of torchvision, and this package's optimized detectors."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional as F

from ...config import load_config
from ...engine.hooks.memory_usage import peak_memory_mb
from ...engine.setup import build_model, resolve_device
from ...inference import optimize_for_inference
from ...modeling import PluggableRetinaNet
from ...modeling.losses.base import log_odds
from ...modeling.optimization.processor import has_bfloat16
from ..machine import add_rates, count_gflop, multiply_sides
from ..memory import call_apart, reset_peak
from ..pairs import Times, build_sides, time_in_turn
from ..peers import detectron2_peer, torchvision_peer

Batch = list[dict[str, Any]]


def benchmark_inference(
    config_file: str,
    size: Sequence[int],
    candidates: int,
    repeats: int,
    overrides: Sequence[str] = (),
    batch_size: int = 1,
    memory: bool = True,
) -> Times:
    """Seconds for images of a size (H, W), ratios to Detectron2's RetinaNet, share of the machine, peak memory in MB.

    All sides have the same random weights; `torchvision_peer` lists its differences. The weights affect the time only
    through the number of candidates, so the last classification layer is rescaled: logits have a standard deviation of
    1.5, and `candidates` of them lie above the score threshold, if there is one.

    Raises:
        ValueError: if there are fewer logits than `candidates`, or as `detectron2_peer`.
    """
    cfg = load_config(config_file, overrides)
    model, batch = _problem(cfg, size, candidates, batch_size)
    sides = _sides(model)
    runs = {name: partial(side, batch) for name, side in sides.items()}
    machine = multiply_sides(model.device)
    with torch.no_grad():
        found = time_in_turn(runs | machine, repeats)
        add_rates(found, count_gflop(runs["detectron2"]), machine)
    for name in sides if memory else ():
        arguments = [config_file, list(size), candidates, list(overrides), batch_size, name]
        found[name]["peak_mb"] = call_apart(__name__, measure_memory.__name__, *arguments)
    return found


def measure_memory(
    config_file: str, size: Sequence[int], candidates: int, overrides: Sequence[str], batch_size: int, side: str
) -> float:
    """Peak memory in MB of this process after `side` has detected twice."""
    cfg = load_config(config_file, overrides)
    model, batch = _problem(cfg, size, candidates, batch_size)
    detector, device = _sides(model, side)[side], model.device
    del model
    reset_peak(device)
    with torch.no_grad():
        for _ in range(2):
            detector(batch)
    return peak_memory_mb(device)


def _problem(
    cfg: DictConfig, size: Sequence[int], candidates: int, batch_size: int
) -> tuple[PluggableRetinaNet, Batch]:
    model = build_model(cfg, pretrained=False).to(resolve_device(cfg.train.device)).eval()
    batch = [{"image": make_image(*size)}]
    with torch.no_grad():
        _spread_scores(model, batch, candidates)
    return model, batch * batch_size


def _sides(model: PluggableRetinaNet, only: str = "") -> dict[str, nn.Module]:
    """All detectors that can be built from a model, by side, or the one named by `only`."""
    builders = {"detectron2": detectron2_peer, "torchvision": torchvision_peer}
    dtypes = ("float32", "bfloat16") if has_bfloat16(model.device) else ("float32",)
    builders |= {dtype: partial(optimize_for_inference, dtype=dtype) for dtype in dtypes}
    return build_sides({name: partial(build, model) for name, build in builders.items() if only in ("", name)})


def make_image(height: int, width: int) -> Tensor:
    """An image (3, H, W) of soft patches and noise."""
    rng = torch.Generator().manual_seed(0)
    patches = torch.rand(1, 3, height // 40 + 1, width // 40 + 1, generator=rng) * 200
    soft = F.interpolate(patches, (height, width), mode="bilinear")[0]
    return (soft + 50 * torch.rand(3, height, width, generator=rng)).to(torch.uint8)


def _spread_scores(model: PluggableRetinaNet, batch: Batch, candidates: int) -> None:
    score, images = model.head.cls_score, model.preprocess_image(batch)
    features = model.backbone(images.tensor)
    logits = torch.cat([x.flatten() for x in model.head([features[n] for n in model.head_in_features])[0]])
    bias, scale = score.bias.mean(), 1.5 / logits.std()
    score.weight.mul_(scale)
    if candidates > len(logits):
        raise ValueError(f"{candidates} candidates are more than the {len(logits)} scores of this image: use fewer")
    last = (logits - bias).topk(candidates)[0][-1] * scale
    if model.test_score_thresh > 0:
        score.bias.fill_(log_odds(model.test_score_thresh) - last.item())
