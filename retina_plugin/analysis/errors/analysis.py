"""The errors of a run, of several seeds of a variant, or of two such variants on the same images."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...config import ConfigError
from ...data import DataError
from ...evaluation.box_metrics import mean_precision
from ...evaluation.calibration import calibration_metrics
from ...weights import CheckpointError
from ..pasting import word
from .anchors import AnchorCauses, explain
from .budget import FIXES, Budget, error_budget, over_seeds
from .curves import best_threshold, confusion_matrix
from .gallery import Picture, draw_gallery
from .results import Results, read_results
from .seeds import Measured, measure_seed
from .tables import class_table, outcome_tables
from .types import Kind, find_errors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunErrors(Measured):
    """One run, or the first of several that are seeds of one variant.

    Attributes:
        score_thresh: least score of the detections in tables, confusion matrix and pictures.
        causes: the anchors behind errors; None if they were not computed, and `no_causes` says why.
        pictures: by type of error; empty if images cannot be read, and `no_pictures` says why.
        others: the other seeds; they affect only AP and the cost and counts of errors.
    """

    score_thresh: float
    causes: AnchorCauses | None
    no_causes: str
    pictures: dict[str, list[Picture]]
    no_pictures: str
    others: tuple[Measured, ...] = ()

    @property
    def title(self) -> str:
        """The name of the run on pages."""
        return self.results.name

    @property
    def label(self) -> str:
        """The name of the run, with the number of other seeds."""
        return f"{self.title} and {len(self.others)} more" if self.others else self.title

    @property
    def seeds(self) -> tuple[Measured, ...]:
        """All runs of the variant, this one first."""
        return (self, *self.others)

    @property
    def cost(self) -> Budget:
        """The budget over all seeds."""
        return over_seeds([seed.budget for seed in self.seeds])

    def as_dict(self) -> dict[str, Any]:
        """The entry of the run in errors.json."""
        results, errors = self.results, self.errors
        counted = errors.kind != Kind.IGNORED
        scores, correct = results.found.score[counted], errors.kind[counted] == Kind.CORRECT
        counts = [seed.errors.counts() for seed in self.seeds]
        count = (
            {fix: round(float(np.mean([own[fix] for own in counts])), 1) for fix in FIXES} if self.others else counts[0]
        )
        added = {fix: asdict(self.cost.change(fix)) | {"count": count[fix]} for fix in FIXES}
        return {
            "run": self.title,
            "label": self.label,
            "seeds": [seed.results.name for seed in self.seeds],
            "images": len(results.image_ids),
            "objects": len(results.objects.label),
            "detections": int(counted.sum()),
            "AP": float(
                np.mean([mean_precision(seed.results.coco.eval["precision"][:, :, :, 0, -1]) for seed in self.seeds])
            ),
            "AP_at_iou": asdict(self.cost.change("AP")),
            "delta_ap": added,
            "score_thresh": self.score_thresh,
            "classes": class_table(results, errors),
            "outcomes": outcome_tables(results, errors, self.score_thresh),
            "confusion": confusion_matrix(results, errors, self.score_thresh).tolist(),
            "calibration": calibration_metrics(scores, correct),
            "anchors": self.causes.as_dict() if self.causes else None,
            "why_no_anchors": self.no_causes,
        }


def analyze_run(
    run_dir: str | Path,
    iou: float = 0.5,
    score_thresh: float | None = None,
    max_images: int | None = None,
    trust: Sequence[str] = (),
    name: str | None = None,
) -> RunErrors:
    """Analyze the last evaluation of a run folder.

    Args:
        run_dir: the run folder.
        iou: IoU from which a detection is correct.
        score_thresh: see `RunErrors`; None for the one with the best F1 of all detections.
        max_images: number of images whose anchors are computed; None for all, 0 to build no model.
        trust: modules of your own that its config may use.
        name: of the run on pages.

    Raises:
        ConfigError, DataError: if the folder holds no run or no detections, or these do not fit its test data.
    """
    results = read_results(run_dir, iou, trust, name)
    errors = find_errors(results)
    thresh = best_threshold(results, errors) if score_thresh is None else score_thresh
    causes, no_causes, pictures, no_pictures = None, f"retina report {word(run_dir)} computes its anchors", {}, ""
    try:
        if max_images != 0:
            causes = explain(run_dir, results, errors, thresh, max_images, trust)
    except (CheckpointError, ConfigError, DataError, OSError) as e:
        no_causes = str(e)
        logger.warning("anchors are left out: %s", e)
    try:
        pictures = draw_gallery(results, errors, thresh, causes)
    except (DataError, OSError) as e:
        no_pictures = str(e)
        logger.warning("pictures are left out: %s", e)
    budget = error_budget(results, errors)
    return RunErrors(results, errors, budget, thresh, causes, no_causes, pictures, no_pictures)


def with_seeds(first: RunErrors, others: Sequence[Results]) -> RunErrors:
    """The first run with the results of other seeds of its variant.

    Raises:
        ConfigError: if their configs differ in more than the seed.
    """
    return replace(first, others=tuple(measure_seed(first.results, other) for other in others))
