"""Everything that is known about the errors of one run, or of two on the same images."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...config import ConfigError
from ...data import DataError
from ...evaluation.calibration import calibration_metrics
from ...weights import CheckpointError
from .anchors import AnchorCauses, explain
from .budget import FIXES, LEVEL, NUM_RESAMPLES, Budget, change, differences, error_budget
from .curves import best_threshold, confusion_matrix
from .gallery import Picture, draw_gallery
from .results import Results, read_results
from .tables import class_table, mean_precision, outcome_tables
from .types import BACKGROUND_IOU, MEANING, Errors, Kind, find_errors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunErrors:
    """One run.

    Attributes:
        score_thresh: least score of the detections that tables, the confusion matrix and pictures are about.
        causes: the anchors behind errors; None without a checkpoint; `no_causes` says why.
        pictures: by type of error; empty if images cannot be read, and `no_pictures` says why.
    """

    results: Results
    errors: Errors
    budget: Budget
    score_thresh: float
    causes: AnchorCauses | None
    no_causes: str
    pictures: dict[str, list[Picture]]
    no_pictures: str

    @property
    def title(self) -> str:
        """Its name, as pages show it."""
        return self.results.name

    def as_dict(self) -> dict[str, Any]:
        """What errors.json says of the run."""
        results, errors = self.results, self.errors
        counted = errors.kind != Kind.IGNORED
        scores, correct = results.found.score[counted], errors.kind[counted] == Kind.CORRECT
        counts = errors.counts()
        added = {fix: asdict(change(self.budget.added[fix])) | {"count": counts[fix]} for fix in FIXES}
        return {
            "run": self.title,
            "images": len(results.image_ids),
            "objects": len(results.objects.label),
            "detections": int(counted.sum()),
            "AP": mean_precision(results.coco.eval["precision"][:, :, :, 0, -1]),
            "AP_at_iou": asdict(change(self.budget.ap)),
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
        iou: from which a detection is correct.
        score_thresh: see `RunErrors`; None for the one with the best F1 of all detections.
        max_images: of which anchors are computed; None for all, 0 to build no model.
        trust: modules of your own that its config may use.
        name: of the run on pages.

    Raises:
        ConfigError, DataError: if the folder holds no run, no detections, or other test data.
    """
    results = read_results(run_dir, iou, trust, name)
    errors = find_errors(results)
    thresh = best_threshold(results, errors) if score_thresh is None else score_thresh
    causes, no_causes, pictures, no_pictures = None, f"retina report {run_dir} computes its anchors", {}, ""
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


def as_content(runs: Sequence[RunErrors]) -> dict[str, Any]:
    """What errors.json says: one run, or two with the second minus the first.

    Raises:
        DataError: if two runs were evaluated on different test data.
    """
    first, last = runs[0], runs[-1]
    data = [(r.results.image_ids, r.results.classes, r.results.objects.box.tolist()) for r in (first, last)]
    if data[0] != data[1]:
        raise DataError(
            f"{first.title} and {last.title} were evaluated on different test data: errors are not compared"
        )
    changes = differences(first.budget, last.budget) if len(runs) > 1 else {}
    return {
        "iou": first.results.iou,
        "background_iou": BACKGROUND_IOU,
        "interval": f"{LEVEL} % percentile interval over {NUM_RESAMPLES} resamples of the test images"
        + ", the same in both runs" * (len(runs) > 1),
        "meaning": MEANING,
        "runs": [run.as_dict() for run in runs],
        "differences": {name: asdict(c) for name, c in changes.items()},
    }
