# MobileNetV2-FPN on bccd: 420 iterations of 8 images at 240 x 320 pixels; takes minutes on two CPU cores.
import detectron2.data.transforms as T
from detectron2.config import LazyCall as L

from retina_plugin import get_config

box_losses = get_config("common/losses.py").box_losses
dataloader = get_config("common/data/small.py").dataloader
losses = get_config("common/losses.py").losses
lr_multiplier = get_config("common/schedule.py").lr_multiplier_cosine
model = get_config("common/models/retinanet_torchvision.py").model
optimizer = get_config("common/optim.py").AdamW
train = get_config("common/train.py").train

dataloader.train.dataset.names = "bccd_train"
dataloader.test.dataset.names = "bccd_val"
dataloader.train.mapper.augmentations = [
    L(T.ResizeShortestEdge)(short_edge_length=240, max_size=320),
    L(T.RandomFlip)(horizontal=True),
    L(T.RandomFlip)(horizontal=False, vertical=True),  # cells look the same upside down
]
dataloader.test.mapper.augmentations = [L(T.ResizeShortestEdge)(short_edge_length=240, max_size=320)]

model.num_classes = 3
# median sizes at 240 x 320: platelets 20 pixels, red cells 51, white cells 95, so each class has its own level
model.anchor_generator.octave_base_scale = 2.5

optimizer.lr = 1e-3
train.max_iter = 420
train.clip_grad_norm = 10.0
train.eval_period = 140
train.log_period = 20
train.vis_period = 140
train.checkpointer.period = 140
train.output_dir = "./output/retinanet_MNV2_FPN_bccd"
