# MobileNetV2-FPN on bccd: 300 iterations of 8 images at 240 x 320, minutes on two CPU cores.
import detectron2.data.transforms as T
from detectron2.config import LazyCall as L
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator

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
    L(T.RandomFlip)(horizontal=False, vertical=True),  # blood has no upside
]
dataloader.test.mapper.augmentations = [
    L(T.ResizeShortestEdge)(short_edge_length=240, max_size=320)
]

model.num_classes = 3
# RetinaNet's sizes but for the finest, 20 instead of 32 pixels, which is what platelets measure at 240 x 320
model.anchor_generator = L(DefaultAnchorGenerator)(
    sizes=[[20, 40, 51], [64, 81, 102], [128, 161, 203], [256, 323, 406], [512, 645, 813]],
    aspect_ratios=[[0.5, 1.0, 2.0]],
    strides=model.anchor_generator.strides,
    offset=0.0,
)

optimizer.lr = 1e-3
train.max_iter = 300
train.clip_grad_norm = 10.0
train.eval_period = 100
train.log_period = 20
train.vis_period = 100
train.checkpointer.period = 100
train.output_dir = "./output/retinanet_MNV2_FPN_bccd"
