"""Results of a run by image: its matched detections, and its AP on resampled test images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pycocotools.coco import COCO

from ...config import EVERYTHING
from ...data import dataset_metadata, dataset_names
from ...evaluation.truth import read_truth
from ...run_folder import read_config, read_detections
from ..execution.results import RunResult
from ..spec.metrics import COCO_METRICS
from .matching import Matches, match_detections
from .resampling import image_weights, resample_metrics

_NUM_RESAMPLES = 500  # enough to know a standard error to 3 %
_AP = COCO_METRICS[0]


@dataclass(frozen=True)
class Evidence:
    """The matched detections of one run, and its (B,) values in percent on resampled images by key of metrics.json.

    Resample b has the same images in every run of a study.
    """

    matches: Matches
    resampled: dict[str, np.ndarray]


def collect_evidence(results: Sequence[RunResult]) -> tuple[dict[tuple[str, int], Evidence], str]:
    """The evidence of every finished run by variant and seed, and ""; or an empty dict, and the reason.

    Every run needs a readable COCO json as ground truth, and detections that give the reported AP.
    """
    truths: dict[str, COCO] = {}
    evidence: dict[tuple[str, int], Evidence] = {}
    try:
        for result in results:
            if not result.error:
                evidence[result.variant, result.seed] = _of_run(result, truths)
        if len({e.matches.image_ids for e in evidence.values()}) > 1:
            raise ValueError("the runs were evaluated on different images")
    except (ValueError, OSError, KeyError, OmegaConfBaseException) as e:
        return {}, f"because test images could not be resampled: {e}"
    return evidence, ""


def _of_run(result: RunResult, truths: dict[str, COCO]) -> Evidence:
    json_file, max_dets = coco_test_data(read_config(result.run_dir, trust=EVERYTHING))
    if json_file not in truths:
        truths[json_file] = read_truth(json_file)
    matches = match_detections(truths[json_file], read_detections(result.run_dir), max_dets)
    own, reported = 100 * float(np.nanmean(matches.precision)), _AP.value(result.metrics)
    if not math.isclose(own, reported, abs_tol=0.01):
        raise ValueError(f"the detections of {result.run_dir} give AP {own:.2f}, but its {_AP.key} is {reported:.2f}")
    resampled = resample_metrics(matches, image_weights(len(matches.image_ids), _NUM_RESAMPLES))
    return Evidence(matches, {f"bbox/{name}": values for name, values in resampled.items()})


def coco_test_data(cfg: DictConfig) -> tuple[str, int]:
    """The json file of a run's test data, and the number of detections per image that its evaluator counts.

    Raises:
        ValueError: if the test data are several data sets, or have no COCO json.
    """
    name, *others = dataset_names(cfg, "test")
    if others:
        raise ValueError(f"the test data consist of {1 + len(others)} data sets")
    metadata = dataset_metadata(name).as_dict()
    if metadata.get("evaluator_type") != "coco" or "json_file" not in metadata:
        raise ValueError(f"{name} has no COCO json")
    most = evaluator_argument(cfg, "max_dets_per_image") or 100
    return str(metadata["json_file"]), int(most if isinstance(most, int) else most[-1])


def evaluator_argument(cfg: DictConfig, name: str) -> Any:
    """An argument of the evaluator in a config, or of the first one that has it in a list; None without it."""
    evaluators = cfg.dataloader.evaluator if OmegaConf.is_list(cfg.dataloader.evaluator) else [cfg.dataloader.evaluator]
    return next((value for node in evaluators if (value := node.get(name)) is not None), None)
