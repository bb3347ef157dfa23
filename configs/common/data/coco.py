# Detectron2's data set names go into dataset.names; COCO 2017 is the default.
import detectron2.data.transforms as T
from detectron2.config import LazyCall as L
from detectron2.data import build_detection_test_loader, get_detection_dataset_dicts
from omegaconf import OmegaConf

from retina_plugin.data import CheckedDatasetMapper, build_train_loader
from retina_plugin.evaluation import COCOEvaluator

dataloader = OmegaConf.create()

# batches depend on data set and seed alone: not on workers, processes, or where a run was interrupted
dataloader.train = L(build_train_loader)(
    # filter_empty leaves images without objects out, as Detectron2 does; False trains them as background
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
        image_format="${model.input_format}",
    ),
    total_batch_size=16,  # of one update, over all processes and train.accumulation steps
    seed="${train.seed}",
    num_workers=4,  # of each process
)

dataloader.test = L(build_detection_test_loader)(
    dataset=L(get_detection_dataset_dicts)(names="coco_2017_val", filter_empty=False),
    mapper=L(CheckedDatasetMapper)(
        is_train=False,
        augmentations=[L(T.ResizeShortestEdge)(short_edge_length=800, max_size=1333)],
        image_format="${model.input_format}",
    ),
    num_workers=4,
)

dataloader.evaluator = L(COCOEvaluator)(
    dataset_name="${..test.dataset.names}",
    tasks=["bbox"],
    output_dir="${train.output_dir}/inference",
)
