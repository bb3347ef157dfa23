"""RetinaNet with interchangeable losses and label assignment: its parts and its inference."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from ...config.yacs import require_plugin_keys
from ..anchor_generator import check_octave_keys
from ..assigners import LabelAssigner, choose_assigner
from ..backbone.build import check_top_block_key
from ..head import PluggableRetinaNetHead
from ..losses import BoxLoss, ClassificationLoss, build_box_loss, build_cls_loss
from . import settings
from .loss_normalizer import ForegroundAverage, keep_state_dict_name
from .training import RetinaNetTraining
from .wiring import BOX_DIM, check_channels, check_wiring, head_outputs


@META_ARCH_REGISTRY.register()
class PluggableRetinaNet(RetinaNetTraining):
    """Detectron2's RetinaNet with classification loss, box loss and label assigner as parts of the config.

    It loads the weights of Detectron2's RetinaNet. With sigmoid focal loss and smooth L1 its detections are then the
    same bit for bit, and its losses and gradients up to rounding.
    Source: "Focal Loss for Dense Object Detection".
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        anchor_generator: nn.Module,
        num_classes: int,
        cls_loss: ClassificationLoss | None = None,
        box_loss: BoxLoss | None = None,
        cls_loss_weight: float = 1.0,
        head_in_features: Sequence[str],
        box2box_transform: Box2BoxTransform,
        anchor_matcher: Matcher | None = None,
        label_assigner: LabelAssigner | None = None,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        focal_loss_alpha: float | None = None,
        focal_loss_gamma: float | None = None,
        smooth_l1_beta: float | None = None,
        box_reg_loss_type: str | None = None,
        vis_period: int = 0,
        input_format: str = "BGR",
        test_score_thresh: float = 0.05,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.5,
        max_detections_per_image: int = 100,
    ) -> None:
        """Assemble the parts. Arguments that are not named here are those of Detectron2's RetinaNet.

        Args:
            cls_loss: None for focal loss with Detectron2's `focal_loss_alpha` and `focal_loss_gamma`.
            box_loss: None for the loss that `smooth_l1_beta` and `box_reg_loss_type` select as in Detectron2; L1 by
                default.
            cls_loss_weight: factor of the classification loss.
            anchor_matcher: Detectron2's matcher by IoU; None if `label_assigner` is given.
            label_assigner: labels the anchors; None to use `anchor_matcher`.

        Raises:
            ValueError: if parts do not fit together; the message has both values and the key to edit.
        """
        settings.check_vis_period(vis_period)
        settings.check_normalization(pixel_mean, pixel_std, input_format)
        super().__init__(
            backbone=backbone,
            head=head,
            head_in_features=list(head_in_features),
            anchor_generator=anchor_generator,
            box2box_transform=box2box_transform,
            anchor_matcher=anchor_matcher,
            num_classes=num_classes,
            test_score_thresh=test_score_thresh,
            test_topk_candidates=test_topk_candidates,
            test_nms_thresh=test_nms_thresh,
            max_detections_per_image=max_detections_per_image,
            pixel_mean=list(pixel_mean),
            pixel_std=list(pixel_std),
            input_format=input_format,
        )
        for name in settings.UPSTREAM_LOSS_ARGUMENTS:
            delattr(self, name)  # upstream's defaults, which this detector does not use
        self.cls_loss = settings.choose_cls_loss(cls_loss, focal_loss_alpha, focal_loss_gamma)
        self.cls_loss_weight = cls_loss_weight
        self.box_loss = settings.choose_box_loss(box_loss, smooth_l1_beta, box_reg_loss_type)
        self.label_assigner = choose_assigner(anchor_matcher, label_assigner)
        self.foreground = ForegroundAverage()
        keep_state_dict_name(self)
        settings.check_numbers(self)
        check_wiring(self)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Build the parts from a yacs config with the keys of `add_retina_plugin_config`."""
        require_plugin_keys(cfg)
        upstream = super().from_config(cfg)
        check_top_block_key(cfg, upstream["backbone"])
        check_octave_keys(cfg, upstream["anchor_generator"])
        parts = {k: v for k, v in upstream.items() if k not in settings.UPSTREAM_LOSS_ARGUMENTS}
        shapes = upstream["backbone"].output_shape()
        input_shape = [shapes[name] for name in cfg.MODEL.RETINANET.IN_FEATURES]
        return parts | {
            "head": PluggableRetinaNetHead(cfg, input_shape),
            "cls_loss": build_cls_loss(cfg),
            "box_loss": build_box_loss(cfg),
        }

    @property
    def loss_normalizer(self) -> Tensor:
        """Moving average of the number of foreground anchors in a batch, a scalar buffer of `foreground`."""
        return self.foreground.loss_normalizer

    @loss_normalizer.setter
    def loss_normalizer(self, value: Tensor | float) -> None:
        self.foreground.loss_normalizer.fill_(value)

    def _ema_update(self, name: str, *args: Any, **kwargs: Any) -> float:
        """Overrides upstream, for `losses` of a subclass that call it, because `loss_normalizer` is a tensor here."""
        return float(super()._ema_update(name, *args, **kwargs))

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """Normalize, pad and batch the images; ValueError for an empty batch.

        Overrides upstream so that all parts of a batch (micro-batches, processes) can be padded to the same size:
        anchors in the padding count as background in the loss. The first input may give that size as "padded_size"
        (H, W).
        """
        if not batched_inputs:
            raise ValueError("the batch is empty: a detector needs at least one image")
        images = super().preprocess_image(batched_inputs)
        padded_size, constraints = batched_inputs[0].get("padded_size"), self.backbone.padding_constraints
        if padded_size is None or constraints.get("square_size", 0) > 0:
            return images
        divisor = max(constraints.get("size_divisibility", self.backbone.size_divisibility), 1)
        wanted = [-(-size // divisor) * divisor for size in padded_size]
        below, right = (max(0, size - own) for size, own in zip(wanted, images.tensor.shape[-2:], strict=True))
        if not (below or right):
            return images
        return ImageList(F.pad(images.tensor, (0, right, 0, below)), images.image_sizes)

    def _transpose_dense_predictions(
        self, predictions: list[list[Tensor]], dims_per_anchor: list[int] | None = None
    ) -> list[list[Tensor]]:
        """Overrides upstream so that the classification loss gives the number of logits, not `dims_per_anchor`."""
        dims = [self.cls_loss.num_logits(self.num_classes), BOX_DIM]
        if head_outputs(self.head) is None:
            check_channels(self, predictions, dims)
        return super()._transpose_dense_predictions(predictions, dims)

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: list[list[Tensor]]
    ) -> list[Instances]:
        """Detect objects in every image. Overrides upstream so that the loss turns logits into scores, in float32.

        NMS refuses boxes, which are in float32, with scores in half precision.
        """
        pred_logits, pred_anchor_deltas = self._transpose_dense_predictions(predictions)
        anchors = self.anchor_generator(features)
        return [
            self.inference_single_image(
                anchors,
                [self.cls_loss.scores(logits[i].float()) for logits in pred_logits],
                [deltas[i] for deltas in pred_anchor_deltas],
                image_size,
            )
            for i, image_size in enumerate(images.image_sizes)
        ]

    def __prepare_scriptable__(self) -> nn.Module:
        """Called by torch.jit.script: raise a NotImplementedError that names the supported ways of export."""
        raise NotImplementedError(
            "PluggableRetinaNet cannot be scripted: trace it with detectron2.export.TracingAdapter and "
            "torch.jit.trace, or export retina_plugin.modeling.DenseNetwork(model) with torch.export"
        )
