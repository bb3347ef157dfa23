"""Time from logits and deltas to detections: selection of candidates, decoding and suppression."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from detectron2.modeling.meta_arch import RetinaNet
from detectron2.structures import ImageList, Instances
from torch import Tensor

from ...config import get_config
from ...engine.setup import build_model
from ...inference import optimize_for_inference
from ...modeling.losses.base import log_odds
from ..pairs import WARM_UP, Times, time_in_turn
from ..peers import detectron2_peer

_CONFIG = "COCO-Detection/retinanet_R_50_FPN_1x.py"
_SPREAD = 1.5  # of logits


def benchmark_candidates(size: Sequence[int], above: int, repeats: int, device: str = "cpu") -> Times:
    """Seconds for one image of a size (H, W) and 80 classes, with `above` scores over the threshold.

    Logits are normally distributed, and boxes are slightly moved and resized anchors. Ratios are to Detectron2.

    Raises:
        ValueError: if the image has fewer scores than `above`.
    """
    model = build_model(get_config(_CONFIG), pretrained=False).to(device).eval()
    strides = [model.backbone.output_shape()[name].stride for name in model.head_in_features]
    shapes = [tuple(-(-side // stride) for side in size) for stride in strides]
    rng = torch.Generator().manual_seed(0)
    logits = [_SPREAD * torch.randn(1, 720, *shape, generator=rng) for shape in shapes]
    flat = torch.cat([x.flatten() for x in logits])
    if above > len(flat):
        raise ValueError(f"{above} scores above the threshold are more than the {len(flat)} of this image: use fewer")
    limit = flat.topk(above)[0][-1]
    logits = [x - limit + log_odds(model.test_score_thresh) for x in logits]
    logits = [x.to(device) for x in logits]
    deltas = [0.2 * torch.randn(1, 36, *shape, generator=rng).to(device) for shape in shapes]
    features = [torch.zeros(1, 1, *x, device=device) for x in shapes]
    arguments = (ImageList(torch.zeros(1, 3, *size, device=device), [tuple(size)]), features)
    sides = {"detectron2": detectron2_peer(model), "retina_plugin": optimize_for_inference(model)}
    runs = {}
    for name, side in sides.items():
        # Detectron2 turns logits into scores in place, so every run needs a copy
        copies = iter([[x.clone() for x in logits] for _ in range(repeats + WARM_UP)])
        runs[name] = partial(_detect, side, *arguments, copies, deltas)
    with torch.no_grad():
        return time_in_turn(runs, repeats)


def _detect(
    model: RetinaNet, images: ImageList, features: list[Tensor], logits: Iterator[list[Tensor]], deltas: list[Tensor]
) -> list[Instances]:
    return model.forward_inference(images, features, [next(logits), deltas])
