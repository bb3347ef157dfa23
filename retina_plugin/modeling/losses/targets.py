"""Classification targets of the anchors of a batch. N images, R anchors per image, M = N R anchors, K classes."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class DenseTargets:
    """Classification targets of all anchors of a batch, image after image. Losses treat them as constants.

    Attributes:
        labels: (M,) integers: -1 is ignored, 0..K-1 a class, K background.
        weights: (M,) factors of the anchors' losses, 0 or more; None for 1.
        quality: (M,) soft targets of the anchors' own classes in [0, 1], such as an IoU; None for 1.
        anchors: (R, 4), absolute XYXY in pixels, the same for every image; None if unknown.

    Raises:
        ValueError: if shapes do not fit, or labels are not integers.
    """

    labels: Tensor
    weights: Tensor | None = None
    quality: Tensor | None = None
    anchors: Tensor | None = None

    def __post_init__(self) -> None:
        """Check types and shapes, but not values, since reading them would wait for a GPU."""
        labels = self.labels
        if labels.dim() != 1 or labels.is_floating_point():
            raise ValueError(f"targets.labels must be integers (M,), got {labels.dtype} {tuple(labels.shape)}")
        for name, value in (("weights", self.weights), ("quality", self.quality)):
            if value is not None and value.shape != labels.shape:
                shapes = f"{tuple(value.shape)} for labels {tuple(labels.shape)}"
                raise ValueError(f"targets.{name} must have the shape of the labels, got {shapes}")
        anchors = self.anchors
        if anchors is None:
            return
        if anchors.dim() != 2 or anchors.shape[1] != 4:
            raise ValueError(f"targets.anchors must be (R, 4), got {tuple(anchors.shape)}")
        if len(labels) % max(1, len(anchors)):
            lengths = f"a multiple of {len(anchors)}, got {len(labels)}"
            raise ValueError(f"targets.anchors has {len(anchors)} rows, so the number of labels must be {lengths}")
