"""Examines the annotations of a run's data with the detector of that run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from tqdm import tqdm

from ...data import DataError, dataset_metadata, dataset_names
from ...data.json_file import read_json
from ...evaluation.truth import by_image
from ...printable import shown
from ..dense import Split, dense_images, load_detector
from .evidence import Evidence, read_evidence


@dataclass(frozen=True)
class AnnotatedSet:
    """The json file behind a split.

    Attributes:
        json_file: its path.
        content: its content.
        categories: category ids by label 0..K-1.
        names: of the classes, by label.
    """

    json_file: Path
    content: dict[str, Any]
    categories: list[Any]
    names: list[str]

    @property
    def by_image(self) -> dict[Any, list[dict[str, Any]]]:
        """Annotations by image id; an empty list for images without any."""
        return by_image(self.content["annotations"])


def choose_data_set(cfg: DictConfig, split: Split, name: str | None = None) -> None:
    """Make a registered data set the only one of a split in `cfg`; DataError if it is none of the split's.

    With None, the split must have a single data set.
    """
    names = dataset_names(cfg, split)
    if name is None and len(names) == 1:
        return
    if name not in names:
        problem = f"has {len(names)} data sets" if name is None else f"does not have {shown(name)}"
        raise DataError(
            f"dataloader.{split}.dataset.names {problem}: choose one with --data-set, of "
            f"{', '.join(shown(x) for x in names)}"
        )
    cfg.dataloader[split].dataset.names = name


def read_annotated_set(cfg: DictConfig, split: Split) -> AnnotatedSet:
    """The annotations of the single data set of a split; DataError if it is no COCO json."""
    names = dataset_names(cfg, split)
    metadata = dataset_metadata(names[0]).as_dict()
    if not {"json_file", "thing_dataset_id_to_contiguous_id"} <= metadata.keys():  # evaluators of others add a json
        raise DataError(f"data set {names[0]!r} has no COCO json whose annotations could be examined")
    labels = metadata["thing_dataset_id_to_contiguous_id"]
    categories = sorted(labels, key=labels.__getitem__)
    path = Path(metadata["json_file"])
    return AnnotatedSet(path, read_json(path), categories, list(metadata["thing_classes"]))


def examine_images(
    run_dir: str | Path, split: Split = "train", trust: Sequence[str] = (), data_set: str | None = None
) -> tuple[AnnotatedSet, list[Evidence]]:
    """What a run's final detector predicts on the images of a split, including those without annotations.

    `data_set` is the name of one of the split's data sets, if it has several.

    Raises:
        ConfigError, CheckpointError: as `load_detector`.
        DataError: as `choose_data_set` and `read_annotated_set`, or for an image that cannot be read.
    """
    cfg, model = load_detector(run_dir, trust=trust)
    if "filter_empty" in cfg.dataloader[split].dataset:
        cfg.dataloader[split].dataset.filter_empty = False
    choose_data_set(cfg, split, data_set)
    annotated = read_annotated_set(cfg, split)
    labels = {category: label for label, category in enumerate(annotated.categories)}
    annotations, images = annotated.by_image, []
    total = len(annotated.content["images"])
    for dense in tqdm(dense_images(cfg, model, split), "examine", total, unit="image"):
        images.append(read_evidence(model, dense, annotations[dense.entry["image_id"]], labels))
    return annotated, images
