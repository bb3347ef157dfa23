"""The part of a detector between preprocessing and decoding, with tensors in and tensors out."""

from detectron2.modeling.meta_arch import DenseDetector
from torch import Tensor, nn


class DenseNetwork(nn.Module):
    """Backbone and head of a detector as one module that can be traced, exported and compiled.

    It shares both with the detector: nothing is copied, and the detector's state dict does not change. Preprocessing
    before it is `detector.preprocess_image`; decoding after it is `detector.forward_inference`.
    """

    def __init__(self, detector: DenseDetector) -> None:
        """`detector` is a PluggableRetinaNet or any other dense detector of Detectron2."""
        super().__init__()
        self.backbone, self.head = detector.backbone, detector.head
        self.head_in_features = tuple(detector.head_in_features)

    def forward(self, images: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Logits (N, A * C, Hi, Wi) and box deltas (N, A * 4, Hi, Wi) of every level, from high to low resolution.

        Images are (N, 3, H, W), normalized and padded so that H and W are multiples of the backbone's
        `size_divisibility`. A is the anchors per location, C the logits per anchor.
        """
        features = self.backbone(images)
        pred_logits, pred_anchor_deltas = self.head([features[x] for x in self.head_in_features])
        return tuple(pred_logits), tuple(pred_anchor_deltas)
