"""COCO json files: registration with Detectron2. Files are read and checked when they are used."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from detectron2.config import instantiate
from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog
from omegaconf import DictConfig

from ..config import quoted
from ..printable import shown
from .coco_json.loader import CocoLoader, file_state
from .errors import DataError
from .labels import as_coco_json, is_voc

_BUILTIN = {
    "bccd": "blood cells, 205 + 87 images: https://github.com/Shenggan/BCCD_Dataset, converted to COCO json",
    "coco_mini": "a few images of COCO 2017 with all 80 categories: https://cocodataset.org/#download",
}


def register_coco(
    json_file: str | Path,
    image_root: str | Path,
    name: str | None = None,
    hint: str = "",
    allow_outside: bool = False,
    classes: Sequence[str] | None = None,
) -> str:
    """Register a COCO json and the folder of its images; return the name for Detectron2's catalogs.

    Labels of PASCAL VOC and YOLO may take the place of the json: see `as_coco_json`, which also explains `classes`. The
    categories of a json must have these names, in the order of their ids.
    Files are read when the data set is used; a bad file then raises DataError, with `hint` if the json is missing. The
    default name is the path of the json, or for other labels both paths, as YOLO's labels of training and test images
    may share a folder. File names in the json that are absolute or lead out of the image folder are refused unless
    `allow_outside`, because training would otherwise read any file that someone else's json names. An earlier
    registration of the name for another json is replaced.

    Raises:
        DataError: for labels of VOC or YOLO that cannot be read, or a name that is registered with another loader.
    """
    labels, json_file = str(json_file), as_coco_json(json_file, image_root, classes)
    is_converted = json_file != Path(labels)
    name = name or (f"{labels} ({image_root})" if is_converted else labels)
    files = {"json_file": str(json_file), "image_root": str(image_root)}
    names = None if is_converted or classes is None else list(classes)
    state = files | {"allow_outside": allow_outside, "json_state": file_state(json_file), "json_classes": names}
    if name in DatasetCatalog.list():
        known = MetadataCatalog.get(name).as_dict()
        if all(known.get(key) == value for key, value in state.items()):
            return name
        if "json_file" not in known:
            raise DataError(f"{shown(name)} is registered with a loader of its own: choose another name")
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    loader = CocoLoader(name, **files, labels=labels, hint=hint, allow_outside=allow_outside, classes=names)
    DatasetCatalog.register(name, loader)
    from_voc = is_converted and is_voc(Path(labels))
    MetadataCatalog.get(name).set(**state, evaluator_type="coco", from_voc=from_voc, labels=labels)
    return name


def coco_loader(name: str) -> CocoLoader | None:
    """The loader of a data set of `register_coco`; None for another name."""
    loader = DatasetCatalog[name] if name in DatasetCatalog.list() else None
    return loader if isinstance(loader, CocoLoader) else None


def check_images(name: str) -> None:
    """Raise DataError if none of the first 1,000 images of a data set of `register_coco` exists."""
    if loader := coco_loader(name):
        loader.check_images()


def register_builtin() -> None:
    """Register small data sets in the folder DETECTRON2_DATASETS, where Detectron2 looks for its own."""
    root = Path(os.path.expanduser(os.environ.get("DETECTRON2_DATASETS", "datasets")))
    for name, origin in _BUILTIN.items():
        for split in ("train", "val"):
            if f"{name}_{split}" in DatasetCatalog.list():
                continue  # the user has registered another data set with this name
            register_coco(
                json_file=root / name / f"instances_{split}.json",
                image_root=root / name / "images",
                name=f"{name}_{split}",
                hint=f"put {name} ({origin}) into {root / name}; DETECTRON2_DATASETS sets the parent folder",
            )


def count_classes(dataset_name: str) -> int:
    """Number of categories of a registered data set, as in `dataset_metadata`, with the same errors."""
    return len(dataset_metadata(dataset_name).thing_classes)


def class_names(dataset_name: str) -> list[str]:
    """Names of the categories of a registered data set in the order of labels, as in `dataset_metadata`."""
    return list(dataset_metadata(dataset_name).thing_classes)


def override_of_classes(classes: Mapping[str, Sequence[str]]) -> str:
    """The override that gives data sets of PASCAL VOC the same classes; empty if one has another format.

    `classes` maps the name of each data set to the names of the classes that occur in it.
    """
    if not all(MetadataCatalog.get(name).get("from_voc") for name in classes):
        return ""
    found = sorted({name for names in classes.values() for name in names})
    return f"data.classes=[{','.join(name if name.isidentifier() else quoted(name) for name in found)}]"


def dataset_names(cfg: DictConfig, split: str) -> list[str]:
    """Names of the data sets of a split, "train" or "test", of a training config; registers those that need it.

    Raises DataError if there is none.
    """
    found = instantiate(cfg.dataloader[split].dataset.names)
    if not found:
        raise DataError(f"dataloader.{split}.dataset.names has no name of a data set", "data-set-unknown")
    return [found] if isinstance(found, str) else list(found)


def dataset_metadata(dataset_name: str) -> Metadata:
    """Detectron2's metadata of a registered data set with its class names, read from its files if necessary.

    Raises DataError if the name is not registered, the files cannot be read, or it has no class names.
    """
    if dataset_name not in DatasetCatalog.list():
        near = difflib.get_close_matches(dataset_name, DatasetCatalog.list(), n=3)
        message = f"no data set is registered as {dataset_name!r}; similar names: {near}"
        raise DataError(message, "data-set-unknown")
    metadata = MetadataCatalog.get(dataset_name)
    if "thing_classes" not in metadata.as_dict():
        loader = coco_loader(dataset_name)
        loader.check() if loader else DatasetCatalog.get(dataset_name)
    if "thing_classes" not in metadata.as_dict():
        raise DataError(
            f"data set {shown(dataset_name)} has no names of classes: where it is registered, call "
            "MetadataCatalog.get(name).set(thing_classes=[...]) with the names in the order of labels",
            "data-set-without-classes",
        )
    return metadata
