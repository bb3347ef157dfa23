from retina_plugin.modeling import BiFPN

from .retinanet_R_50_FPN_1x import (
    box_losses,
    dataloader,
    losses,
    lr_multiplier,
    model,
    optimizer,
    train,
)

model.backbone._target_ = BiFPN
model.backbone.num_repeats = 3
model.backbone.norm = "GN"  # separable convolutions need a norm; GN does not depend on the batch
train.output_dir = "./output/retinanet_R_50_BiFPN_1x"
