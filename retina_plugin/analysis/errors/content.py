"""The content of errors.json about one variant, or two on the same images."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...data import DataError
from .analysis import RunErrors
from .budget import LEVEL, NUM_RESAMPLES, differences
from .results import Results
from .types import BACKGROUND_IOU, MEANING


def as_content(runs: Sequence[RunErrors]) -> dict[str, Any]:
    """The content of errors.json: one variant, or two with the differences, second minus first.

    Raises:
        DataError: if runs were evaluated on different test data.
    """
    first, last = runs[0], runs[-1]
    for own in (seed.results for run in runs for seed in run.seeds):
        if _test_data(own) != _test_data(first.results):
            raise DataError(
                f"{first.title} and {own.name} were evaluated on different test data: errors are not compared"
            )
    changes = differences(first.cost, last.cost) if len(runs) > 1 else {}
    return {
        "iou": first.results.iou,
        "background_iou": BACKGROUND_IOU,
        "interval": _interval(runs),
        "meaning": MEANING,
        "runs": [run.as_dict() for run in runs],
        "differences": {name: asdict(c) for name, c in changes.items()},
    }


def _test_data(results: Results) -> tuple[Any, ...]:
    return results.image_ids, results.classes, results.objects.box.tolist()


def _interval(runs: Sequence[RunErrors]) -> str:
    """How the intervals are computed, in words."""
    resamples = f"{NUM_RESAMPLES} resamples of the test images" + ", the same in all runs" * (len(runs) > 1)
    is_one = len(runs[0].results.image_ids) == 1
    if not runs[0].others:
        return "none, because there is one test image" if is_one else f"{LEVEL} % percentile interval over {resamples}"
    pairs = ", of differences pair by pair in the order of the runs" * (len(runs) > 1)
    over = f"{len(runs[0].seeds)} seeds" + ("" if is_one else f" and {resamples}")
    return f"{LEVEL} % interval of Student's t over {over}, as in studies{pairs}"
