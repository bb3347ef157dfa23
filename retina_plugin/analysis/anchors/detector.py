"""The parts of a detector that determine its anchors: feature maps, generator, matcher. Weights play no role."""

import functools

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, ImageList
from omegaconf import DictConfig

from ...config import ConfigError
from ...engine.setup import build_model
from ...modeling import MatcherAssigner, PluggableRetinaNet
from ...modeling.meta_arch import FeatureMaps


class AnchorDetector:
    """A detector with random weights that computes the anchors for an image size.

    Attributes:
        model: on the CPU, in evaluation mode.
        matcher: of anchors with ground truth, by IoU.
        levels: names of its L levels, from high to low resolution.
        threshold: the lowest IoU at which the matcher makes an anchor foreground for its best box.
    """

    def __init__(self, cfg: DictConfig) -> None:
        """Build the model of a config; ConfigError if it is no PluggableRetinaNet with Detectron2's Matcher."""
        model = build_model(cfg, pretrained=False).eval()
        if not isinstance(model, PluggableRetinaNet) or not isinstance(model.label_assigner, MatcherAssigner):
            raise ConfigError("analysis of anchors needs a PluggableRetinaNet with model.anchor_matcher")
        self.model, self.matcher = model, model.label_assigner.anchor_matcher
        self.levels = tuple(model.head_in_features)
        self.threshold = self.matcher.thresholds[self.matcher.labels.index(1)]
        self._maps = FeatureMaps(model)
        self._anchors = functools.cache(lambda height, width: model.anchor_generator(self._maps(height, width)))

    def anchors(self, size: tuple[int, int]) -> list[Boxes]:
        """The anchors (Ri, 4) of every level, XYXY in pixels, for an image of size (H, W) in a batch of its own."""
        return self._anchors(*padded_size(self.model, size))

    def num_locations(self, size: tuple[int, int]) -> int:
        """Number of locations of all levels at which the head runs; its cost is proportional to it."""
        return sum(x.shape[-2] * x.shape[-1] for x in self._maps(*padded_size(self.model, size)))

    def other_matcher(self, allow_low_quality_matches: bool) -> Matcher:
        """The matcher with or without low-quality matches, which are a box's best anchors whatever their IoU."""
        thresholds = self.matcher.thresholds[1:-1]
        return Matcher(thresholds, self.matcher.labels, allow_low_quality_matches)


def padded_size(model: PluggableRetinaNet, size: tuple[int, int]) -> tuple[int, int]:
    """The size (H, W) of an image in a batch of its own after padding as the backbone of a detector asks for."""
    image, constraints = torch.empty(3, *size, device="meta"), model.backbone.padding_constraints
    padded = ImageList.from_tensors([image], model.backbone.size_divisibility, padding_constraints=constraints)
    return tuple(padded.tensor.shape[-2:])
