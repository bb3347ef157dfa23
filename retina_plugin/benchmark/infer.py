"""Time of inference, of Detectron2's RetinaNet and of the same weights made faster."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from detectron2.modeling.meta_arch import RetinaNet
from torch import Tensor
from torch.nn import functional as F

from ..config import load_config
from ..engine.setup import build_model, resolve_device
from ..inference import optimize_for_inference
from ..modeling import PluggableRetinaNet
from ..modeling.losses.base import log_odds
from .pairs import time_in_turn


def benchmark_inference(
    config_file: str, size: Sequence[int], candidates: int, repeats: int, overrides: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """Seconds for one image of a size (H, W), and ratios to Detectron2's RetinaNet, by number format.

    The weights are random. Time depends on them through the candidates only, so the last layer of classification is
    scaled: logits spread by 1.5, and `candidates` of them lie above the score threshold, if there is one.
    """
    cfg = load_config(config_file, overrides)
    model = build_model(cfg, pretrained=False).to(resolve_device(cfg.train.device)).eval()
    batch = [{"image": _image(*size)}]
    with torch.no_grad():
        _spread_scores(model, batch, candidates)
    sides = {"detectron2": stock_retinanet(model)}
    sides |= {dtype: optimize_for_inference(model, dtype) for dtype in ("float32", "bfloat16")}
    with torch.no_grad():
        return time_in_turn({name: partial(side, batch) for name, side in sides.items()}, repeats)


def stock_retinanet(model: PluggableRetinaNet) -> RetinaNet:
    """Detectron2's RetinaNet with the parts of a model, in evaluation mode."""
    mean, std = (x.flatten().tolist() for x in (model.pixel_mean, model.pixel_std))
    names = ("backbone", "head", "head_in_features", "anchor_generator", "box2box_transform", "anchor_matcher")
    names += ("num_classes", "test_score_thresh", "test_topk_candidates", "test_nms_thresh", "max_detections_per_image")
    parts = {name: getattr(model, name) for name in names}
    return RetinaNet(**parts, pixel_mean=mean, pixel_std=std).to(model.device).eval()


def _image(height: int, width: int) -> Tensor:
    """An image (3, H, W) of soft patches and noise."""
    rng = torch.Generator().manual_seed(0)
    patches = torch.rand(1, 3, height // 40 + 1, width // 40 + 1, generator=rng) * 200
    soft = F.interpolate(patches, (height, width), mode="bilinear")[0]
    return (soft + 50 * torch.rand(3, height, width, generator=rng)).to(torch.uint8)


def _spread_scores(model: PluggableRetinaNet, batch: list[dict[str, Any]], candidates: int) -> None:
    score, images = model.head.cls_score, model.preprocess_image(batch)
    features = model.backbone(images.tensor)
    logits = torch.cat([x.flatten() for x in model.head([features[n] for n in model.head_in_features])[0]])
    bias, scale = score.bias.mean(), 1.5 / logits.std()
    score.weight.mul_(scale)
    last = (logits - bias).topk(candidates)[0][-1] * scale
    if model.test_score_thresh > 0:
        score.bias.fill_(log_odds(model.test_score_thresh) - last.item())
