"""What a run's own files say beyond its metrics: its matches image by image, and its AP on resampled images."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from detectron2.config import instantiate
from omegaconf.errors import OmegaConfBaseException
from pycocotools.coco import COCO

from ...config import load_config
from ...data import dataset_metadata
from ...evaluation import complete_annotations
from ..execution.results import RunResult
from .matching import Matches, match_detections, read_detections
from .resampling import image_weights, resample_metrics

__all__ = ["Evidence", "collect_evidence"]

_NUM_RESAMPLES = 500  # they give a standard error to 3 %


@dataclass(frozen=True)
class Evidence:
    """A run's matches, and (B,) AP in percent by metric; resample b has the same images in every run of a study."""

    matches: Matches
    resampled: dict[str, np.ndarray]


class _Unavailable(ValueError):
    """Why a run has no evidence by image."""


def collect_evidence(
    results: Sequence[RunResult],
) -> tuple[dict[tuple[str, int], Evidence], str]:
    """The evidence of every finished run by variant and seed, or none at all and the reason in words.

    It takes a COCO json that can be read, and detections that give the AP that the run reports.
    """
    truths: dict[tuple[str, int], COCO] = {}
    evidence: dict[tuple[str, int], Evidence] = {}
    try:
        for result in results:
            if not result.error:
                evidence[result.variant, result.seed] = _of_run(result, truths)
        _check_same_images(evidence)
    except (ValueError, OSError, KeyError, OmegaConfBaseException) as e:
        return {}, f"no resampling of images: {e}"
    return evidence, ""


def _of_run(result: RunResult, truths: dict[tuple[str, int], COCO]) -> Evidence:
    key = _ground_truth(result.run_dir)
    if key not in truths:
        truths[key] = _read_truth(key[0])
    detections = read_detections(result.run_dir)
    if detections is None:
        raise _Unavailable(f"{result.run_dir} has no inference/coco_instances_results.json")
    matches = match_detections(truths[key], detections, key[1])
    resampled = resample_metrics(matches, image_weights(len(matches.image_ids), _NUM_RESAMPLES))
    own = 100 * float(np.nanmean(matches.precision))
    if not math.isclose(own, result.value("AP"), abs_tol=0.01):
        raise _Unavailable(
            f"the detections of {result.run_dir} give AP {own:.2f}, its metrics say {result.value('AP'):.2f}"
        )
    return Evidence(matches, resampled)


def _ground_truth(run_dir: str) -> tuple[str, int]:
    """The json file of a run's test data, and how many detections per image its evaluator counts."""
    cfg = load_config(Path(run_dir, "config.yaml"))
    names = instantiate(cfg.dataloader.test.dataset.names)
    if not isinstance(names, str):
        raise _Unavailable(f"the test data are {len(names)} data sets")
    metadata = dataset_metadata(names).as_dict()
    if metadata.get("evaluator_type") != "coco" or "json_file" not in metadata:
        raise _Unavailable(f"{names} is not evaluated by a COCO json")
    most = cfg.dataloader.evaluator.get("max_dets_per_image") or 100
    return str(metadata["json_file"]), int(most if isinstance(most, int) else most[-1])


def _read_truth(json_file: str) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(json_file)
    complete_annotations(truth)
    return truth


def _check_same_images(evidence: dict[tuple[str, int], Evidence]) -> None:
    if len({e.matches.image_ids for e in evidence.values()}) > 1:
        raise _Unavailable("the runs were evaluated on different images")
