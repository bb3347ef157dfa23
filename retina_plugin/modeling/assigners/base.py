"""The interface between a label assigner and the detector. N images, R anchors of all levels, K classes."""

from dataclasses import dataclass

from detectron2.structures import Boxes, Instances
from torch import Tensor, nn


@dataclass(frozen=True)
class AnchorTargets:
    """The training targets of every anchor in a batch."""

    labels: Tensor
    """(N, R) integers: -1 is ignored, 0..K-1 a class, K background."""
    boxes: Tensor
    """(N, R, 4) ground-truth boxes, absolute XYXY in pixels; undefined where an anchor is not foreground."""
    weights: Tensor | None = None
    """(N, R) non-negative weights of the classification and box losses, or None if all are 1."""

    def __post_init__(self) -> None:
        """Raise a ValueError if `boxes` or `weights` do not have one entry per label."""
        shapes = {"boxes": (*self.labels.shape, 4), "weights": tuple(self.labels.shape)}
        for name, shape in shapes.items():
            tensor = getattr(self, name)
            if tensor is not None and tuple(tensor.shape) != shape:
                raise ValueError(
                    f"model.label_assigner gives {name} of shape {tuple(tensor.shape)}, but labels of shape "
                    f"{tuple(self.labels.shape)}: {name} must have shape {shape}"
                )


class LabelAssigner(nn.Module):
    """Base class of label assigners. A subclass implements `forward` and may set `one_anchor_per_place`.

    The detector calls it without gradients, and passes only ground truth with valid classes and nonempty boxes.
    """

    one_anchor_per_place: bool = False
    """Whether the assigner needs exactly one anchor per location; the detector's constructor checks it."""

    def forward(self, anchors: list[Boxes], gt_instances: list[Instances], num_classes: int) -> AnchorTargets:
        """Assign a label and a box to every anchor of every image.

        Args:
            anchors: one `Boxes` (Ri, 4) per level, from high to low resolution, shared by all images.
            gt_instances: one per image, with `gt_boxes` and `gt_classes`; may be empty.
            num_classes: K, which is also the label of background.
        """
        raise NotImplementedError
