"""The anchors behind errors: where the detector lost a missed object, and how a false detection's anchor was labelled.

An object is missed if no correct detection of it scores at least the threshold. It is followed through the detector
from its foreground anchors on, and the first step that fails is the cause.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..dense import dense_images, load_detector
from .results import Results
from .tables import found_above
from .tracing import CAUSES, LABELS, FalseAnchor, LostObject, decode, false_anchor, lost_object
from .types import FALSE, Errors, Kind


@dataclass(frozen=True)
class AnchorCauses:
    """The missed objects and false detections of the first `num_images` test images, with their anchors."""

    num_images: int
    lost: list[LostObject]
    false: list[FalseAnchor]

    def as_dict(self) -> dict[str, Any]:
        """Counts, for a page and for json, and every object and detection."""
        labels = {kind: [f.label for f in self.false if f.kind == kind] for kind in FALSE}
        return {
            "num_images": self.num_images,
            "causes": {cause: sum(x.cause == cause for x in self.lost) for cause in CAUSES},
            "labels": {kind: {label: own.count(label) for label in LABELS} for kind, own in labels.items()},
            "lost": [asdict(x) for x in self.lost],
            "false": [asdict(x) for x in self.false],
        }


def explain(
    run_dir: str | Path,
    results: Results,
    errors: Errors,
    score_thresh: float,
    max_images: int | None = None,
    trust: Sequence[str] = (),
) -> AnchorCauses:
    """Follow the missed objects and false detections of the first images of a run back to their anchors.

    Raises:
        ConfigError, CheckpointError: if the run has no checkpoint, or its detector no anchors.
        DataError: if an image cannot be read.
    """
    cfg, model = load_detector(run_dir, trust=trust)
    images = {own: place for place, own in enumerate(results.image_ids)}
    is_lost = ~found_above(results, errors, score_thresh)
    is_false = (errors.kind > Kind.CORRECT) & (results.found.score >= score_thresh)
    lost, false, num_images = [], [], 0
    for dense in dense_images(cfg, model, max_images=max_images):
        num_images += 1
        decoded, image = decode(model, dense), images[dense.entry["image_id"]]
        for place in np.flatnonzero(is_lost & (results.objects.image == image)):
            lost.append(lost_object(place, dense, decoded, results, score_thresh, model.test_nms_thresh))
        for place in np.flatnonzero(is_false & (results.found.image == image)):
            false.append(false_anchor(place, dense, decoded, results, errors))
    return AnchorCauses(num_images, lost, false)
