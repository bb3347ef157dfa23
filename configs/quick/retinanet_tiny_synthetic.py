# Trains in about two minutes on two CPU cores, on data that it generates.
import detectron2.data.transforms as T
from detectron2.config import LazyCall as L

from retina_plugin.data import register_synthetic

from ..common.data.small import dataloader
from ..common.losses import box_losses, losses
from ..common.models.retinanet_torchvision import model
from ..common.optim import AdamW as optimizer
from ..common.schedule import lr_multiplier_cosine as lr_multiplier
from ..common.train import train

# settings of the data: numbers of objects and of unannotated clutter per image, sizes in pixels, noise in grey levels
synthetic = dict(seed=0, image_size=192, objects=[1, 3], object_size=[10, 48], clutter=[16, 32], noise=28)

dataloader.train.dataset.names = L(register_synthetic)(
    split="train", num_images=160, settings="${oc.select:synthetic,null}"
)
dataloader.test.dataset.names = L(register_synthetic)(
    split="val", num_images=80, settings="${oc.select:synthetic,null}"
)
dataloader.train.mapper.augmentations = [
    L(T.RandomFlip)(horizontal=True),
    L(T.RandomFlip)(horizontal=False, vertical=True),
]
dataloader.test.mapper.augmentations = []

model.num_classes = 3
model.backbone.out_channels = 64
model.head.conv_dims = [64]

optimizer.lr = 1e-3
train.max_iter = 240
train.clip_grad_norm = 10.0
train.eval_period = 80
train.log_period = 10
train.vis_period = 80
train.checkpointer.period = 80
train.output_dir = "./output/retinanet_tiny_synthetic"
