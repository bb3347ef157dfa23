"""Draw the training data of a config."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.data import Metadata
from detectron2.data.detection_utils import convert_image_to_rgb
from detectron2.structures import BoxMode
from detectron2.utils.env import seed_all_rng
from omegaconf import DictConfig
from tqdm import tqdm

from ..engine.run_data import record_data, run_metadata
from ..inference.failures import Failures
from ..inference.images import create_folder, drawing_names, read_rgb, write_rgb
from ..inference.visualize import draw_ground_truth


def visualize_data(cfg: DictConfig, output: str | Path, source: str = "annotation", num_images: int = 16) -> list[Path]:
    """Draw up to `num_images` of the training data with class names into `output`/`source`; returns the paths.

    `source` "annotation" draws the files as they are, "dataloader" what the model gets after augmentation. A file that
    cannot be drawn does not stop the others; an error of the loader ends the drawing, as it would end a training.

    Raises:
        ConfigError: for an invalid config.
        DataError: for invalid data; at the end, for files that could not be read or drawn.
        OSError: if `output` cannot be written to.
    """
    output = Path(output, source)
    create_folder(output)
    record_data(cfg)
    metadata, written, failures = run_metadata(cfg), [], Failures()
    for i, (image, entry) in zip(tqdm(range(num_images), unit="image"), _entries(cfg, source), strict=False):
        with failures.of(entry["file_name"]):
            path = Path(output, f"{i:03d}_{drawing_names([entry['file_name']])[0]}")
            write_rgb(path, _draw(image, entry, metadata))
            written.append(path)
    failures.raise_if_any()
    return written


def drawn_data(cfg: DictConfig, source: str = "annotation") -> Iterator[tuple[str, np.ndarray]]:
    """Yield file names and drawings as of `visualize_data`, (H, W, 3) RGB uint8; endless for the dataloader.

    Raises:
        ConfigError, DataError: as `visualize_data`, at the first image that cannot be read.
    """
    cfg = cfg.copy()
    record_data(cfg)
    metadata = run_metadata(cfg)
    for image, entry in _entries(cfg, source):
        yield entry["file_name"], _draw(image, entry, metadata)


def _draw(image: np.ndarray | None, entry: dict[str, Any], metadata: Metadata) -> np.ndarray:
    return draw_ground_truth(read_rgb(entry["file_name"]) if image is None else image, entry, metadata)


def _entries(cfg: DictConfig, source: str) -> Iterator[tuple[np.ndarray | None, dict[str, Any]]]:
    """Pairs of pixels and dataset dict; None for the pixels of a file that is still to be read."""
    if source == "annotation":
        return ((None, entry) for entry in instantiate(cfg.dataloader.train.dataset))
    return _augmented(cfg)


def _augmented(cfg: DictConfig) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    seed_all_rng(cfg.train.seed)
    for batch in instantiate(cfg.dataloader.train):
        for data in batch:
            image = convert_image_to_rgb(data["image"].permute(1, 2, 0), cfg.model.input_format)
            boxes, classes = data["instances"].gt_boxes.tensor, data["instances"].gt_classes
            annotations = [
                {"bbox": b, "bbox_mode": BoxMode.XYXY_ABS, "category_id": c}
                for b, c in zip(boxes.tolist(), classes.tolist(), strict=True)
            ]
            yield image, {"file_name": data["file_name"], "annotations": annotations}
