# COCO 2017; dataset.names selects any other registered data set. `${oc.select:key,default}` reads a key of the whole
# config and has a default, so that this dataloader also works in a config with another model and train section.
import detectron2.data.transforms as T
from detectron2.config import LazyCall as L
from detectron2.data import build_detection_test_loader, get_detection_dataset_dicts
from omegaconf import OmegaConf

from retina_plugin.data import CheckedDatasetMapper, build_train_loader
from retina_plugin.evaluation import COCOEvaluator

dataloader = OmegaConf.create()

# Batches depend only on data set and seed, not on workers, processes or interruptions of a run. The seed is
# train.seed unless dataloader.train.seed is set.
dataloader.train = L(build_train_loader)(
    # filter_empty=True skips images without objects, as Detectron2 does; False trains on them as background
    dataset=L(get_detection_dataset_dicts)(names="coco_2017_train", filter_empty=True),
    mapper=L(CheckedDatasetMapper)(
        is_train=True,
        augmentations=[
            L(T.ResizeShortestEdge)(
                short_edge_length=[640, 672, 704, 736, 768, 800],
                sample_style="choice",
                max_size=1333,
            ),
            L(T.RandomFlip)(horizontal=True),
        ],
        image_format="${oc.select:model.input_format,BGR}",
    ),
    total_batch_size=16,  # per update, over all processes and train.accumulation steps
    num_workers=4,  # per process
)

dataloader.test = L(build_detection_test_loader)(
    dataset=L(get_detection_dataset_dicts)(names="coco_2017_val", filter_empty=False),
    mapper=L(CheckedDatasetMapper)(
        is_train=False,
        augmentations=[L(T.ResizeShortestEdge)(short_edge_length=800, max_size=1333)],
        image_format="${oc.select:model.input_format,BGR}",
    ),
    num_workers=4,
)

dataloader.evaluator = L(COCOEvaluator)(
    dataset_name="${..test.dataset.names}",
    tasks=["bbox"],
    output_dir="${oc.select:train.output_dir,./output}/inference",
)
