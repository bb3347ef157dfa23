# Your own data, as in retinanet_MNV2_FPN.py, starting from Detectron2's RetinaNet trained on COCO.
from detectron2.config import LazyCall as L

from retina_plugin.config.learning_rate import linear_scaled_lr
from retina_plugin.data import class_names, count_classes

from ..common.models.retinanet import model
from ..common.optim import SGD as optimizer
from .retinanet_MNV2_FPN import box_losses, data, dataloader, losses, lr_multiplier, train

# Pixel statistics, FrozenBN and number of anchors are those of the checkpoint. With another number of anchors per
# location, its class and box layers do not fit.
train.init_checkpoint = "detectron2://COCO-Detection/retinanet_R_50_FPN_3x/190397829/model_final_5bd44e.pkl"
train.init_classes = L(class_names)(dataset_name="coco_2017_train")
train.output_dir = "./output/finetuned"

model.num_classes = L(count_classes)(dataset_name="${dataloader.train.dataset.names}")
data.short_edge = [640, 672, 704, 736, 768, 800]  # as for the checkpoint
data.max_size = 1333
optimizer.lr = L(linear_scaled_lr)(batch_size="${dataloader.train.total_batch_size}")
