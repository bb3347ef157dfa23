"""Time of one-stage and two-stage detectors of Detectron2 on the same backbone and image."""

from collections.abc import Sequence
from functools import partial

import torch
from detectron2 import model_zoo
from detectron2.config import instantiate
from detectron2.layers import FrozenBatchNorm2d
from detectron2.modeling import build_model
from torch import nn

from ..config import get_config
from ..inference import optimize_for_inference
from .inference.infer import make_image
from .machine import count_gflop
from .pairs import Times, time_in_turn

_LAZY = {"RetinaNet": "COCO-Detection/retinanet_R_50_FPN_1x.py", "FCOS": "COCO-Detection/fcos_R_50_FPN_1x.py"}
_FASTER_RCNN = "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml"
_OURS = "RetinaNet, optimize_for_inference"


def benchmark_detectors(size: Sequence[int], repeats: int, device: str = "cpu") -> Times:
    """Seconds for one image of a size (H, W) and 80 classes, and ratios to Faster R-CNN.

    All are R-50-FPN with random weights. No score is above its threshold, so the final non-maximum suppression, which
    takes little time in each detector, has no input. Faster R-CNN classifies up to 1000 proposals, as with trained
    weights; `proposals` is their number.
    """
    detectors = build_detectors(device)
    batch = [{"image": make_image(*size)}]
    runs = {name: partial(model, batch) for name, model in detectors.items()}
    with torch.no_grad():
        found = time_in_turn(runs, repeats)
        for name in runs:
            found[name]["gflop"] = count_gflop(runs["RetinaNet" if name == _OURS else name])
        found["Faster R-CNN"]["proposals"] = float(_count_proposals(detectors["Faster R-CNN"], batch))
    return found


def build_detectors(device: str) -> dict[str, nn.Module]:
    """Detectors by name, in evaluation mode; the two-stage detector comes first."""
    torch.manual_seed(0)
    cfg = model_zoo.get_config(_FASTER_RCNN)
    cfg.MODEL.DEVICE = device
    detectors = {"Faster R-CNN": build_model(cfg)}
    detectors |= {name: instantiate(model_zoo.get_config(path).model).to(device) for name, path in _LAZY.items()}
    ours = instantiate(get_config(_LAZY["RetinaNet"]).model).to(device)
    ours.load_state_dict(detectors["RetinaNet"].state_dict(), strict=False)
    for model in (*detectors.values(), ours):
        for norm in model.modules():
            if isinstance(norm, FrozenBatchNorm2d):
                norm.weight.fill_(0.4)  # without pretrained statistics activations would grow
        model.eval()
    return detectors | {_OURS: optimize_for_inference(ours)}


def _count_proposals(model: nn.Module, batch: list[dict[str, torch.Tensor]]) -> int:
    images = model.preprocess_image(batch)
    proposals, _ = model.proposal_generator(images, model.backbone(images.tensor), None)
    return len(proposals[0])
