"""All measurements of the anchors of a config on one set of boxes."""

from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig

from ...engine.run_data import names_of_labels, run_metadata
from .assignment import Assignment, assign
from .boxes import BoxSet
from .ceiling import Ceiling, measure_ceiling
from .detector import AnchorDetector
from .recall import Recall, measure_recall


@dataclass(frozen=True)
class Analysis:
    """The anchors of a config on a set of boxes.

    Attributes:
        detector: built from the config.
        ceiling: with low-quality matches if the config's matcher has them.
        strict_ceiling: without low-quality matches.
        locations: mean number per image of locations at which the head runs.
    """

    detector: AnchorDetector
    assignment: Assignment
    recall: Recall
    ceiling: Ceiling
    strict_ceiling: Ceiling
    locations: float

    @property
    def anchors(self) -> float:
        """Mean number of anchors per image."""
        return sum(self.recall.anchors_by_level.values())

    def as_json(self) -> dict[str, Any]:
        """This analysis in anchors.json."""
        return {
            "anchors_per_image": self.anchors,
            "locations_per_image": self.locations,
            "foreground_threshold": self.detector.threshold,
            "low_quality_matches": self.assignment.allows_low_quality,
            "recall": asdict(self.recall),
            "ceiling": asdict(self.ceiling),
            "ceiling_without_low_quality_matches": asdict(self.strict_ceiling),
        }


def analyze(cfg: DictConfig, boxes: BoxSet) -> Analysis:
    """Match the boxes with the anchors of a config and evaluate the oracle; ConfigError as `AnchorDetector`."""
    detector, images = AnchorDetector(cfg), boxes.images
    names = names_of_labels(run_metadata(cfg), range(detector.model.num_classes))
    assignment = assign(detector, images)
    return Analysis(
        detector=detector,
        assignment=assignment,
        recall=measure_recall(assignment, len(images), names, detector.levels),
        ceiling=measure_ceiling(detector, images, assignment, assignment.allows_low_quality),
        strict_ceiling=measure_ceiling(detector, images, assignment, low_quality=False),
        locations=sum(detector.num_locations(image.size) for image in images) / len(images),
    )
