"""A trained detector made faster: the same call, the same detections up to rounding."""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from detectron2.modeling.meta_arch.dense_detector import permute_to_N_HWA_K
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from ..modeling import PluggableRetinaNet
from .candidates import Candidates, best_detections, gather_deltas, select_by_logit, select_by_score
from .folding import fold_norms

DTYPES = ("auto", "float32", "bfloat16")


def optimize_for_inference(model: nn.Module, dtype: Literal["auto", "float32", "bfloat16"] = "auto") -> nn.Module:
    """A copy of a detector that detects faster; `model` stays as it is, and later changes of it do not count.

    Normalization is folded into convolutions, memory is laid out with channels last, scores and boxes are computed for
    candidates only, and suppression ends once enough detections are left. In float32 detections are those of `model`
    up to rounding; of equal scores, others may be taken. "bfloat16" computes backbone and head in that format, scores
    and boxes in float32; "auto" does so where the processor has instructions for it, and is float32 elsewhere.

    A detector that is not a PluggableRetinaNet, or overrides its inference, is returned as it is.

    Raises:
        ValueError: for another `dtype`.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {list(DTYPES)}, got {dtype!r}")
    if not isinstance(model, PluggableRetinaNet) or _overrides_inference(model):
        return model
    model = copy.deepcopy(model).eval()
    half = dtype == "bfloat16" or (dtype == "auto" and has_bfloat16(model.device))
    fold_norms(model)
    for part in (model.backbone, model.head):
        part.to(dtype=torch.bfloat16 if half else torch.float32, memory_format=torch.channels_last)
    model.__class__ = type(f"Fast{type(model).__name__}", (FastInference, type(model)), {})
    return model.requires_grad_(False)


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 by instructions of its own."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supports = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cpu" and supports()


def _overrides_inference(model: PluggableRetinaNet) -> bool:
    own, known = type(model), PluggableRetinaNet
    names = ("forward", "forward_inference", "inference_single_image", "_decode_per_level_predictions")
    return any(getattr(own, name) is not getattr(known, name) for name in names)


class FastInference(PluggableRetinaNet):
    """The methods that an optimized detector has in place of its own."""

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """Normalize, pad and batch the images, in the format and layout of the backbone."""
        images = super().preprocess_image(batched_inputs)
        dtype = next(self.backbone.parameters()).dtype
        return ImageList(images.tensor.to(dtype, memory_format=torch.channels_last), images.image_sizes)

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: list[list[Tensor]]
    ) -> list[Instances]:
        """Detect objects in every image, with scores and boxes in float32 for candidates only."""
        if torch.jit.is_tracing():
            return super().forward_inference(images, features, predictions)
        anchors = self._anchors_of(features)
        return [
            self._detect(anchors, *([level[i] for level in levels] for levels in predictions), image_size)
            for i, image_size in enumerate(images.image_sizes)
        ]

    def _anchors_of(self, features: list[Tensor]) -> list[Boxes]:
        """Anchors of every level, computed again only if the size of images has changed."""
        sizes = [feature.shape[-2:] for feature in features]
        known = self.__dict__.get("_known_anchors")
        if known is None or known[0] != sizes:
            known = self.__dict__["_known_anchors"] = sizes, self.anchor_generator(features)
        return known[1]

    def _detect(
        self, anchors: list[Boxes], logits: list[Tensor], deltas: list[Tensor], image_size: tuple[int, int]
    ) -> Instances:
        """The detections of one image from its maps of logits (A * C, H, W) and deltas (A * 4, H, W)."""
        levels = [self._select(level) for level in logits]
        boxes = [
            self.box2box_transform.apply_deltas(gather_deltas(x, own.anchors, 4), level.tensor[own.anchors])
            for x, own, level in zip(deltas, levels, anchors, strict=True)
        ]
        boxes, (scores, _, classes) = torch.cat(boxes), map(torch.cat, zip(*levels, strict=True))
        kept = best_detections(boxes, scores, classes, self.test_nms_thresh, self.max_detections_per_image)
        return Instances(image_size, pred_boxes=Boxes(boxes[kept]), scores=scores[kept], pred_classes=classes[kept])

    def _select(self, logits: Tensor) -> Candidates:
        """The candidates among the logits (A * C, H, W) of a level."""
        limits = self.test_score_thresh, self.test_topk_candidates
        if self.cls_loss.has_sigmoid_scores:
            return select_by_logit(logits, self.num_classes, *limits)
        rows = permute_to_N_HWA_K(logits[None], self.cls_loss.num_logits(self.num_classes))[0]
        return select_by_score(self.cls_loss.scores(rows.float()), *limits)
