from retina_plugin.modeling import PAFPN

from .retinanet_R_50_FPN_1x import (
    box_losses,
    dataloader,
    losses,
    lr_multiplier,
    model,
    optimizer,
    train,
)

model.backbone._target_ = PAFPN
train.output_dir = "./output/retinanet_R_50_PAFPN_1x"
