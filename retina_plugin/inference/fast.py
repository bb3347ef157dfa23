"""RetinaNet inference that computes scores and boxes only for candidates. N images, A anchors per location."""

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.meta_arch.dense_detector import permute_to_N_HWA_K
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from ..modeling import PluggableRetinaNet
from ..modeling.head import start_at_first_level
from ..modeling.losses import ClassificationLoss
from ..modeling.meta_arch.wiring import BOX_DIM
from ..modeling.optimization.box_tower import box_layers, deltas_at
from .candidates import Candidates, best_detections, gather_deltas, select_by_logit, select_by_score


class FastInference(PluggableRetinaNet):
    """The methods that `as_fast` gives to a detector in place of its own."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the class before optimization, since `as_fast` makes the current class at run time."""
        return _new, (type(self).__bases__[1],), self.__dict__

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """Normalize, pad and batch the images, in the dtype and memory layout of the backbone."""
        images = super().preprocess_image(batched_inputs)
        dtype = next(self.backbone.parameters()).dtype
        return ImageList(images.tensor.to(dtype, memory_format=torch.channels_last), images.image_sizes)

    def forward(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Instances]]:
        """Detect objects: classes first, then boxes only where there are candidates, if `box_layers` allows it."""
        layers = box_layers(self.head)
        if layers is None or self.training or torch.jit.is_tracing():
            return super().forward(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        by_name = self.backbone(images.tensor)
        features = [by_name[name] for name in self.head_in_features]
        start_at_first_level(self.head)
        logits = [self.head.cls_score(self.head.cls_subnet(feature)) for feature in features]
        found = [[self._select(level[i]) for level in logits] for i in range(len(batched_inputs))]
        deltas = self._deltas_of(layers, features, found)
        anchors = self._anchors_of(features)
        results = []
        for inputs, own, of_image, (h, w) in zip(batched_inputs, found, deltas, images.image_sizes, strict=True):
            instances = self._detect(anchors, own, of_image, (h, w))
            instances = detector_postprocess(instances, inputs.get("height", h), inputs.get("width", w))
            results.append({"instances": instances})
        return results

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: list[list[Tensor]]
    ) -> list[Instances]:
        """Detect objects in every image from whole maps of logits and deltas."""
        if torch.jit.is_tracing():
            return super().forward_inference(images, features, predictions)
        anchors, (logits, deltas) = self._anchors_of(features), predictions
        results = []
        for i, image_size in enumerate(images.image_sizes):
            found = [self._select(level[i]) for level in logits]
            own = [gather_deltas(level[i], x.anchors, BOX_DIM) for level, x in zip(deltas, found, strict=True)]
            results.append(self._detect(anchors, found, own, image_size))
        return results

    def _deltas_of(
        self, layers: list[nn.Module], features: list[Tensor], found: Sequence[Sequence[Candidates]]
    ) -> list[tuple[Tensor, ...]]:
        """The deltas (M, 4) of the candidates of every image and level."""
        parts = [(level, image, x.anchors) for image, own in enumerate(found) for level, x in enumerate(own)]
        level, image = (torch.cat([torch.full_like(part[2], part[k]) for part in parts]) for k in (0, 1))
        sizes = [len(part[2]) for part in parts]
        deltas = deltas_at(layers, features, level, image, torch.cat([part[2] for part in parts])).split(sizes)
        return [deltas[i : i + len(features)] for i in range(0, len(parts), len(features))]

    def _anchors_of(self, features: list[Tensor]) -> list[Boxes]:
        """Anchors of every level; those of Detectron2's generator depend on sizes and device of feature maps only."""
        if type(self.anchor_generator).forward is not DefaultAnchorGenerator.forward:
            return self.anchor_generator(features)
        sizes = [(feature.shape[-2:], feature.device) for feature in features]
        known = self.__dict__.get("_known_anchors")
        if known is None or known[0] != sizes:
            known = self.__dict__["_known_anchors"] = sizes, self.anchor_generator(features)
        return known[1]

    def _detect(
        self, anchors: Sequence[Boxes], found: Sequence[Candidates], deltas: Sequence[Tensor], size: tuple[int, int]
    ) -> Instances:
        """The detections of one image from the candidates of every level and their deltas (M, 4)."""
        boxes = torch.cat(
            [
                self.box2box_transform.apply_deltas(x, level.tensor[own.anchors])
                for x, own, level in zip(deltas, found, anchors, strict=True)
            ]
        )
        scores, _, classes = map(torch.cat, zip(*found, strict=True))
        kept = best_detections(boxes, scores, classes, self.test_nms_thresh, self.max_detections_per_image)
        return Instances(size, pred_boxes=Boxes(boxes[kept]), scores=scores[kept], pred_classes=classes[kept])

    def _select(self, logits: Tensor) -> Candidates:
        """The candidates among the logits (A * C, H, W) of a level."""
        limits = self.test_score_thresh, self.test_topk_candidates
        if type(self.cls_loss).scores is ClassificationLoss.scores:  # sigmoids: logits rank as scores do
            return select_by_logit(logits, self.num_classes, *limits)
        rows = permute_to_N_HWA_K(logits[None], self.cls_loss.num_logits(self.num_classes))[0]
        return select_by_score(self.cls_loss.scores(rows.float()), *limits)


def as_fast(model: PluggableRetinaNet) -> PluggableRetinaNet:
    """Give a detector the methods of `FastInference`, in place."""
    if not isinstance(model, FastInference):
        model.__class__ = type(f"Fast{type(model).__name__}", (FastInference, type(model)), {})
    return model


def _new(base: type[PluggableRetinaNet]) -> PluggableRetinaNet:
    return as_fast(base.__new__(base))
