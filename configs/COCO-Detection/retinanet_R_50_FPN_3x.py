from ..common.schedule import lr_multiplier_3x as lr_multiplier
from .retinanet_R_50_FPN_1x import box_losses, dataloader, losses, model, optimizer, train

train.max_iter = 270000
train.output_dir = "./output/retinanet_R_50_FPN_3x"
