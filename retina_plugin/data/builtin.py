"""Small data sets in the folder `DETECTRON2_DATASETS`, where Detectron2 looks for its own."""

import os
from pathlib import Path

from detectron2.data import DatasetCatalog

from .coco import register_coco

_SETS = {
    "bccd": "blood cells, 205 + 87 images: https://github.com/Shenggan/BCCD_Dataset, converted to COCO json",
    "coco_mini": "a few images of COCO 2017 with all 80 categories: https://cocodataset.org/#download",
}


def register_builtin() -> None:
    """Register the names; files are read when a name is used."""
    root = Path(os.environ.get("DETECTRON2_DATASETS", "datasets")).expanduser()
    for name, origin in _SETS.items():
        for split in ("train", "val"):
            if f"{name}_{split}" in DatasetCatalog.list():
                continue  # the user has registered another data set with this name
            register_coco(
                json_file=root / name / f"instances_{split}.json",
                image_root=root / name / "images",
                name=f"{name}_{split}",
                hint=f"put {name} ({origin}) into {root / name}; DETECTRON2_DATASETS sets the parent folder",
            )
