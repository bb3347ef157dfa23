# RetinaNet on a torchvision network that is small enough for a CPU; model.backbone.bottom_up.name selects another one.
from detectron2.config import LazyCall as L

from retina_plugin.modeling import TorchvisionBackbone, torchvision_channels

from .retinanet import model

model.backbone.bottom_up = L(TorchvisionBackbone)(
    name="mobilenet_v2",
    weights="IMAGENET1K_V1",
    out_features="${..in_features}",
    norm="FrozenBN",
    freeze_at=0,
)
model.backbone.out_channels = 96
model.backbone.top_block.in_channels = L(torchvision_channels)(name="${...bottom_up.name}", feature="${..in_feature}")
model.head.conv_dims = [96, 96]

# torchvision's weights expect RGB, normalized by ImageNet's mean and standard deviation
model.pixel_mean = [123.675, 116.28, 103.53]
model.pixel_std = [58.395, 57.12, 57.375]
model.input_format = "RGB"
