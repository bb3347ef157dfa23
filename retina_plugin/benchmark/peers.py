"""RetinaNets of Detectron2 and torchvision with the parts or weights of a RetinaNet of this package."""

from typing import Any

import torch
from detectron2.modeling import FPN, ResNet
from detectron2.modeling.meta_arch import RetinaNet
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.detection import retinanet as torchvision_retinanet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from ..modeling import PluggableRetinaNet

_DEPTHS = {(3, 4, 6): 50, (3, 4, 23): 101, (3, 8, 36): 152}


def detectron2_peer(model: PluggableRetinaNet) -> RetinaNet:
    """Detectron2's RetinaNet with the parts of a model, in evaluation mode.

    Raises:
        ValueError: if the model's loss does not use exactly one logit per class, as Detectron2 requires.
    """
    if (logits := model.cls_loss.num_logits(model.num_classes)) != model.num_classes:
        raise ValueError(
            f"model.cls_loss has {logits} logits for {model.num_classes} classes, Detectron2's RetinaNet one per "
            "class: choose a loss with sigmoids, such as model.cls_loss='${losses.focal}'"
        )
    mean, std = (x.flatten().tolist() for x in (model.pixel_mean, model.pixel_std))
    names = ("backbone", "head", "head_in_features", "anchor_generator", "box2box_transform", "anchor_matcher")
    names += ("num_classes", "test_score_thresh", "test_topk_candidates", "test_nms_thresh", "max_detections_per_image")
    parts = {name: getattr(model, name) for name in names}
    return RetinaNet(**parts, pixel_mean=mean, pixel_std=std).to(model.device).eval()


def torchvision_peer(model: PluggableRetinaNet) -> nn.Module:
    """torchvision's RetinaNet with copies of a model's weights, in evaluation mode, called like Detectron2's.

    Backbone, pyramid, head, losses, selection of candidates and suppression are torchvision's; anchors, thresholds and
    numbers of detections are the model's. torchvision's strides are the image size divided by the map size, rounded
    down; it clips boxes before suppression instead of after it, and divides losses by the foreground of each image
    instead of an average over iterations. Detection passes images through its resizing, here to their own size.

    Raises:
        ValueError: unless the model is an FPN on a ResNet-50, 101 or 152 of Detectron2 with P6 from C5 and towers of
            four convolutions without norm.
    """
    depth = _depth(model)
    net = get_model(f"resnet{depth}", weights=None, norm_layer=FrozenBatchNorm2d)
    width = model.backbone.fpn_output3.out_channels
    layers = {"layer2": "0", "layer3": "1", "layer4": "2"}
    backbone = BackboneWithFPN(net, layers, [512, 1024, 2048], width, LastLevelP6P7(2048, width))
    _copy_strides(model.backbone.bottom_up, backbone.body)
    cells = [x.clone() for x in model.anchor_generator.cell_anchors]
    anchors = AnchorGenerator(tuple((1.0,) * len(x) for x in cells), ((1.0,),) * len(cells))
    anchors.cell_anchors = cells
    detector = torchvision_retinanet.RetinaNet(
        backbone,
        model.num_classes,
        image_mean=model.pixel_mean.flatten().tolist(),
        image_std=model.pixel_std.flatten().tolist(),
        anchor_generator=anchors,
        head=torchvision_retinanet.RetinaNetHead(width, len(cells[0]), model.num_classes),
        score_thresh=model.test_score_thresh,
        nms_thresh=model.test_nms_thresh,
        detections_per_img=model.max_detections_per_image,
        topk_candidates=model.test_topk_candidates,
        _skip_resize=True,
    )
    _copy_weights(model, detector)
    return TorchvisionRetinaNet(detector).to(model.device).eval()


class TorchvisionRetinaNet(nn.Module):
    """A detector of torchvision with the call of a Detectron2 detector."""

    def __init__(self, detector: torchvision_retinanet.RetinaNet) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, batched_inputs: list[dict[str, Any]]) -> Any:
        """A dict of losses in training mode, otherwise detections per image, in pixels of the network's input.

        Raises:
            ValueError: in evaluation mode, if the images have several sizes.
        """
        device = next(self.parameters()).device
        images = [x["image"].to(device).float() for x in batched_inputs]
        if self.training:
            return self.detector(images, [_target(x["instances"].to(device)) for x in batched_inputs])
        sizes = {x.shape[1:] for x in images}
        if len(sizes) > 1:
            raise ValueError(f"torchvision would resize images of several sizes: {sorted(map(tuple, sizes))}")
        self.detector.transform.fixed_size = (images[0].shape[2], images[0].shape[1])  # in training nothing is resized
        found = self.detector(images)
        return [{"instances": _instances(x, image)} for x, image in zip(found, images, strict=True)]


def _target(instances: Instances) -> dict[str, Tensor]:
    return {"boxes": instances.gt_boxes.tensor, "labels": instances.gt_classes}


def _instances(found: dict[str, Tensor], image: Tensor) -> Instances:
    boxes = Boxes(found["boxes"])
    return Instances(image.shape[1:], pred_boxes=boxes, scores=found["scores"], pred_classes=found["labels"])


def _depth(model: PluggableRetinaNet) -> int:
    backbone = model.backbone
    net = getattr(backbone, "bottom_up", None)
    if type(backbone) is not FPN or type(net) is not ResNet:
        raise ValueError("the backbone is not Detectron2's FPN on its ResNet")
    blocks = tuple(len(getattr(net, name)) for name in ("res2", "res3", "res4"))
    if blocks not in _DEPTHS or getattr(backbone.top_block, "in_feature", None) != "res5":
        raise ValueError("the backbone is not a ResNet-50, 101 or 152 with P6 from C5")
    return _DEPTHS[blocks]


def _copy_strides(source: ResNet, target: nn.Module) -> None:
    """Copy the strides: Detectron2's MSRA ResNet has them in the first convolution, torchvision's in the second."""
    for i in range(2, 6):
        for block, copied in zip(getattr(source, f"res{i}"), getattr(target, f"layer{i - 1}"), strict=True):
            copied.conv1.stride, copied.conv2.stride = block.conv1.stride, block.conv2.stride


@torch.no_grad()
def _copy_weights(model: PluggableRetinaNet, detector: nn.Module) -> None:
    own = model.backbone.state_dict(prefix="backbone.") | model.head.state_dict(prefix="head.")
    renamed = {_torchvision_name(name): value for name, value in own.items()}
    try:
        detector.load_state_dict(renamed)
    except RuntimeError as e:
        raise ValueError(f"the head or backbone has other layers: {str(e).splitlines()[1].strip()[:120]}") from e
    trained = {_torchvision_name(name) for name, x in model.named_parameters() if x.requires_grad}
    for name, parameter in detector.named_parameters():
        parameter.requires_grad_(name in trained)


def _torchvision_name(name: str) -> str:
    """torchvision's name of a weight of Detectron2's RetinaNet."""
    part, _, rest = name.partition(".")
    if part == "head":
        layer, *place, kind = rest.split(".")
        branch = "classification_head" if layer.startswith("cls") else "regression_head"
        if place:  # of a tower: convolutions are the even layers
            return f"head.{branch}.conv.{int(place[0]) // 2}.0.{kind}"
        return f"head.{branch}.{'cls_logits' if layer == 'cls_score' else 'bbox_reg'}.{kind}"
    if rest.startswith("fpn_"):
        layer, kind = rest.split(".", 1)
        block = "inner_blocks" if "lateral" in layer else "layer_blocks"
        return f"backbone.fpn.{block}.{int(layer[-1]) - 3}.0.{kind}"
    if rest.startswith("top_block."):
        return f"backbone.fpn.extra_blocks.{rest.removeprefix('top_block.')}"
    return f"backbone.body.{_resnet_name(rest.removeprefix('bottom_up.'))}"


def _resnet_name(name: str) -> str:
    if name.startswith("stem."):
        return name.removeprefix("stem.").replace("conv1.norm", "bn1")
    stage, block, rest = name.split(".", 2)
    rest = rest.replace("shortcut.norm", "downsample.1").replace("shortcut", "downsample.0")
    for i in range(1, 4):
        rest = rest.replace(f"conv{i}.norm", f"bn{i}")
    return f"layer{int(stage[-1]) - 1}.{block}.{rest}"
