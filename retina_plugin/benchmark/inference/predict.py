"""Time of the whole way from image files to detections, with the weights of a trained run."""

import copy
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from detectron2.structures import Instances

from ...analysis.dense import load_detector
from ...data import DataError
from ...inference.images import find_images
from ...inference.predictor import LazyPredictor
from ...modeling.optimization.processor import has_bfloat16
from ...printable import shown
from ..pairs import Times, time_in_turn
from ..peers import detectron2_peer


def benchmark_prediction(run_dir: str, inputs: Sequence[str], repeats: int) -> Times:
    """Seconds for one image file, and ratios to a loop as Detectron2's demo has it around its DefaultPredictor.

    The loop reads a file with OpenCV, resizes it as the test loader of the run does, and calls Detectron2's RetinaNet
    with the weights of the run. The other sides are `LazyPredictor` in float32 and, where the processor has
    instructions for it, in bfloat16. All sides predict the same file in a round; files are taken in turn.

    Raises:
        ConfigError, CheckpointError: as `LazyPredictor.from_run`.
        DataError: if `inputs`, files, folders or glob patterns, name no image, or one that OpenCV cannot read.
        ValueError: as `detectron2_peer`.
    """
    paths = find_images(inputs)
    plain = LazyPredictor.from_run(run_dir)
    upstream = _upstream(plain, run_dir)
    sides: dict[str, Callable[[Path], Instances]] = {"detectron2": lambda path: upstream(_read(path))}
    sides["float32"] = plain
    if has_bfloat16(plain.model.device):
        sides["bfloat16"] = LazyPredictor.from_run(run_dir, dtype="bfloat16")
    return time_in_turn({name: _on_the_next(side, paths) for name, side in sides.items()}, repeats)


def _upstream(plain: LazyPredictor, run_dir: str) -> LazyPredictor:
    """The predictor of a run with Detectron2's RetinaNet."""
    _, model = load_detector(run_dir)
    predictor = copy.copy(plain)
    predictor.model = detectron2_peer(model)
    return predictor


def _read(path: Path) -> np.ndarray:
    if (image := cv2.imread(str(path))) is None:
        raise DataError(
            f"OpenCV cannot read image {shown(path)}, with which Detectron2 would be measured: leave it out"
        )
    return image


def _on_the_next(predict: Callable[[Path], Instances], paths: Sequence[Path]) -> Callable[[], Instances]:
    """A function that predicts the next of the files at every call, and begins again after the last."""
    in_turn = itertools.cycle(paths)
    return lambda: predict(next(in_turn))
