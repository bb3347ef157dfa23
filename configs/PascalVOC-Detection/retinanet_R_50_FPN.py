from ..common.data.voc import dataloader
from ..common.losses import box_losses, losses
from ..common.models.retinanet import model
from ..common.optim import SGD as optimizer
from ..common.schedule import lr_multiplier_1x as lr_multiplier
from ..common.train import train

model.num_classes = 20
train.max_iter = 18000
train.init_checkpoint = "detectron2://ImageNetPretrained/MSRA/R-50.pkl"
train.output_dir = "./output/voc_retinanet_R_50_FPN"
