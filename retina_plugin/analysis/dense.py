"""What a trained detector predicts at every anchor of an image: the basis of analyses that look behind detections.

R anchors of all levels, K classes, C logits per anchor.
"""

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from detectron2.structures import Boxes, Instances
from omegaconf import DictConfig
from torch import Tensor

from ..config import ConfigError
from ..engine.checkpoint import RunCheckpointer
from ..engine.run_data import check_classes
from ..engine.setup import build_model, resolve_device
from ..evaluation.validation_loss import build_annotated_loader
from ..modeling.losses import DenseTargets
from ..modeling.meta_arch import DenseNetwork, PluggableRetinaNet
from ..run_folder import find_weights, read_config

Split = Literal["train", "test"]


@dataclass(frozen=True)
class DenseImage:
    """Predictions and targets of all anchors of an image. Boxes are XYXY in pixels of the resized image.

    Attributes:
        entry: the dataset dict: file_name, image_id, height and width of the original image.
        image: (3, H, W) the resized image, in the channel order of `model.input_format`.
        logits: (R, C).
        deltas: (R, 4) box deltas.
        labels: (R,) integers: -1 is ignored, 0..K-1 a class, K background.
        boxes: (R, 4) the ground truth that a foreground anchor is assigned to; undefined for other anchors.
        anchors: (R, 4).
        levels: (R,) integers, the place of the anchor's level in `model.head_in_features`.
        ground_truth: gt_boxes and gt_classes, without crowds.
        weights: (R,) factors of the losses of the anchors; None for 1.
    """

    entry: dict[str, Any]
    image: Tensor
    logits: Tensor
    deltas: Tensor
    labels: Tensor
    boxes: Tensor
    anchors: Tensor
    levels: Tensor
    ground_truth: Instances
    weights: Tensor | None = None

    @property
    def targets(self) -> DenseTargets:
        """What a classification loss takes beside the logits."""
        return DenseTargets(self.labels, self.weights, anchors=self.anchors)

    @property
    def scale(self) -> tuple[float, float]:
        """Width and height of the resized image over those of the original one."""
        height, width = self.image.shape[-2:]
        return width / self.entry["width"], height / self.entry["height"]


def load_detector(
    run_dir: str | Path, weights: str | Path | None = None, trust: Sequence[str] = ()
) -> tuple[DictConfig, PluggableRetinaNet]:
    """The config of a run folder and its trained detector, in evaluation mode, without optimizations for inference.

    `weights` is another checkpoint than its final one; `trust` lists modules of your own that the config may use.

    Raises:
        ConfigError: if the folder holds no config.yaml, or the model is not a PluggableRetinaNet.
        CheckpointError: if it holds no checkpoint, or its checkpoint belongs to another model.
    """
    cfg = read_config(run_dir, trust=trust)
    model = build_model(cfg, pretrained=False).to(resolve_device(cfg.train.device)).eval()
    if not isinstance(model, PluggableRetinaNet):
        raise ConfigError(f"{run_dir}: analysis of anchors needs a PluggableRetinaNet, got {type(model).__name__}")
    RunCheckpointer(model).load_all(str(weights or find_weights(run_dir)))
    return cfg, model


def dense_images(
    cfg: DictConfig, model: PluggableRetinaNet, split: Split = "test", max_images: int | None = None
) -> Iterator[DenseImage]:
    """The images of a split in their order, resized as in an evaluation, with logits, deltas and labels on the CPU.

    One image is in memory at a time. Raises DataError if the data no longer have the classes of the run.
    """
    if split == "train":
        cfg = copy.deepcopy(cfg)
        cfg.dataloader.test.dataset = cfg.dataloader.train.dataset
    batches = build_annotated_loader(cfg)
    check_classes(cfg, split)
    for inputs in itertools.islice(itertools.chain.from_iterable(batches), max_images):
        yield dense_image(model, inputs)


@torch.no_grad()
def dense_image(model: PluggableRetinaNet, inputs: dict[str, Any]) -> DenseImage:
    """Predictions and targets of an image, from a mapper's output with "instances"; the model is in evaluation mode."""
    images = model.preprocess_image([inputs])
    outputs = DenseNetwork(model)(images.tensor)
    logits, deltas = model._transpose_dense_predictions([list(x) for x in outputs])
    maps = [x.new_zeros(()).expand(x.shape) for x in outputs[0]]  # anchors depend on the sizes of the maps alone
    anchors = model.anchor_generator(maps)
    ground_truth = inputs["instances"].to(model.device)
    targets = model.training_targets(anchors, [ground_truth])
    entry = {k: v for k, v in inputs.items() if k not in ("image", "instances")}
    return DenseImage(
        entry=entry,
        image=inputs["image"],
        logits=torch.cat(logits, 1)[0].cpu(),
        deltas=torch.cat(deltas, 1)[0].cpu(),
        labels=targets.labels[0].cpu(),
        boxes=targets.boxes[0].cpu(),
        anchors=Boxes.cat(anchors).tensor.cpu(),
        levels=torch.repeat_interleave(torch.arange(len(anchors)), torch.tensor([len(a) for a in anchors])),
        ground_truth=ground_truth.to("cpu"),
        weights=None if targets.weights is None else targets.weights[0].cpu(),
    )
