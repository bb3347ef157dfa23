# Your own data, set on the command line: data.train_json= data.train_images= data.val_json= data.val_images=
import detectron2.data.transforms as T
from detectron2.config import LazyCall as L

from retina_plugin.data import count_classes, largest_edge, register_coco

from ..common.data.small import dataloader
from ..common.losses import box_losses, losses
from ..common.models.retinanet_torchvision import model
from ..common.optim import AdamW as optimizer
from ..common.schedule import lr_multiplier_cosine as lr_multiplier
from ..common.train import train

data = dict(
    train_json="???",  # COCO json of the training images, or a folder of PASCAL VOC or YOLO labels
    train_images="???",  # folder of the training images
    val_json="???",
    val_images="???",
    classes=None,  # class names for PASCAL VOC or YOLO labels, in the order of labels; None finds them there
    allow_outside=False,  # whether the json may name images outside these folders
    short_edge=[
        320,
        352,
        384,
        416,
    ],  # pixels of the shorter side: chosen at random for each training image; the largest for test images
    max_size=640,
)

dataloader.train.dataset.names = L(register_coco)(
    json_file="${data.train_json}",
    image_root="${data.train_images}",
    allow_outside="${data.allow_outside}",
    classes="${data.classes}",
)
dataloader.test.dataset.names = L(register_coco)(
    json_file="${data.val_json}",
    image_root="${data.val_images}",
    allow_outside="${data.allow_outside}",
    classes="${data.classes}",
)
dataloader.train.mapper.augmentations = [
    L(T.ResizeShortestEdge)(short_edge_length="${data.short_edge}", max_size="${data.max_size}", sample_style="choice"),
    L(T.RandomFlip)(horizontal=True),
]
dataloader.test.mapper.augmentations = [
    L(T.ResizeShortestEdge)(
        short_edge_length=L(largest_edge)(short_edge="${data.short_edge}"), max_size="${data.max_size}"
    )
]

model.num_classes = L(count_classes)(dataset_name="${dataloader.train.dataset.names}")

optimizer.lr = 1e-3
train.max_iter = 1000
train.clip_grad_norm = 10.0
train.eval_period = 250
train.vis_period = 250
train.checkpointer.period = 250
train.output_dir = "./output/custom"
