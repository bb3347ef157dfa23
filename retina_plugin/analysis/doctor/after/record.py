"""What a run folder holds, read once for all checks of a finished or broken run."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf.errors import OmegaConfBaseException
from pycocotools.coco import COCO

from ....data import dataset_metadata, dataset_names
from ....evaluation.box_metrics import Detection
from ....evaluation.truth import read_truth
from ....run_folder import read_config, read_detections, read_metrics
from ..training.settings import setting

LOSS = "total_loss"


class Record:
    """A run folder: config, metrics, detections and the ground truth of its test data."""

    def __init__(self, run_dir: str | Path, trust: Sequence[str] = ()) -> None:
        """`trust` lists modules of your own that the config may name. Raises ConfigError as `read_config`."""
        self.folder = Path(run_dir)
        self.cfg = read_config(run_dir, trust=trust)
        self.lines = read_metrics(run_dir)

    def series(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Iterations (L,) and values (L,) of a metric, in their order."""
        found = [(line["iteration"], line[name]) for line in self.lines if name in line]
        iterations, values = np.array(found, dtype=float).reshape(-1, 2).T
        return iterations, values

    def finite(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """As `series`, without values that are not finite."""
        iterations, values = self.series(name)
        known = np.isfinite(values)
        return iterations[known], values[known]

    @cached_property
    def ap(self) -> tuple[np.ndarray, np.ndarray]:
        """Iterations and values of AP in percent."""
        return self.finite("bbox/AP")

    @property
    def max_iter(self) -> int:
        """`train.max_iter`; 0 if the config does not say it."""
        return int(setting(self.cfg, "train.max_iter", 0))

    @property
    def iterations(self) -> int:
        """Number of iterations up to the last line of metrics.json with a loss."""
        return int(max((line["iteration"] + 1 for line in self.lines if LOSS in line), default=0))

    @cached_property
    def detections(self) -> list[Detection] | None:
        """Detections of the last evaluation in COCO's result format; None if their file is missing or invalid."""
        try:
            found = read_detections(self.folder)
        except (OSError, ValueError):
            return None
        return found if isinstance(found, list) and all(map(_is_detection, found)) else None

    @cached_property
    def truth(self) -> COCO | None:
        """The annotations of the test data; None if they are missing or not a single COCO json."""
        try:
            (name,) = dataset_names(self.cfg, "test")
            return read_truth(dataset_metadata(name).json_file)
        except (ValueError, OSError, KeyError, TypeError, AttributeError, OmegaConfBaseException):
            return None


def _is_detection(x: Any) -> bool:
    if not isinstance(x, dict) or not {"image_id", "category_id", "bbox", "score"} <= x.keys():
        return False
    numbers = [x["score"], *x["bbox"]] if isinstance(x["bbox"], list) else []
    has_ids = isinstance(x["image_id"], int | str) and isinstance(x["category_id"], int)
    return has_ids and len(numbers) == 5 and all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
