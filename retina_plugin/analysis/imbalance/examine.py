"""Everything that the imbalance page shows of one run, collected in one pass over its images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from ...config import ConfigError
from ...data import DataError
from ...engine.run_data import names_of_labels, run_metadata
from ...evaluation.calibration import calibration_metrics
from ...modeling import MatcherAssigner
from ...modeling.losses import ClassificationLoss
from ..dense import Split, dense_images, load_detector
from .exact_sums import ExactSums
from .functions import CROSS_ENTROPY, FOCAL, chosen_losses, focal_losses, is_function_of_p_t
from .hard_background import HardAnchor, HardBackground
from .scored import Detections
from .shares import Shares, shares_of
from .xray import Xray

OWN = "its own loss"


@dataclass(frozen=True)
class Examination:
    """One run and split.

    Attributes:
        own_loss: the run's loss in words.
        losses: the compared losses by name, with the run's own as `OWN`.
        shares: sums over the elements under each of these losses, by its name; those of `OWN` with the weights that a
            label assigner of your own gives to anchors.
        easiest: share of the background's loss that its easiest 90 % hold, under cross entropy, focal loss with gamma
            2, and the run's own loss.
        hardest: hard background anchors for the gallery.
        scores, correct: (D,) scores of the run's detections, and whether each is correct.
    """

    name: str
    run_dir: Path
    cfg: DictConfig
    own_loss: str
    xray: Xray
    losses: Mapping[str, ClassificationLoss]
    shares: Mapping[str, Shares]
    easiest: Mapping[str, float]
    hardest: Sequence[HardAnchor]
    scores: np.ndarray
    correct: np.ndarray

    @property
    def class_names(self) -> list[str]:
        """Names of the classes in the run's metadata; "class i" for those without."""
        return names_of_labels(run_metadata(self.cfg), range(self.xray.num_classes))

    @property
    def levels(self) -> list[str]:
        """Names of the levels of the pyramid."""
        return list(self.cfg.model.head_in_features)

    @property
    def prior(self) -> float:
        """The score that the run started from; NaN if the config does not say it as a number."""
        prior = OmegaConf.select(self.cfg, "model.head.prior_prob", default=0.01)
        return float(prior) if isinstance(prior, int | float) else float("nan")

    @property
    def calibration(self) -> dict[str, float]:
        """Calibration of the run's detections, see `calibration_metrics`."""
        return calibration_metrics(self.scores, self.correct)


def examine(
    run_dir: str | Path,
    name: str = "run",
    weights: str | Path | None = None,
    split: Split = "test",
    max_images: int | None = None,
    losses: Sequence[str] = (),
    gallery: int = 24,
    trust: Sequence[str] = (),
) -> Examination:
    """Run a trained detector over a split of its data, and measure who holds loss and gradient.

    Raises:
        ConfigError: for an invalid run, an unknown loss, or a detector whose loss does not define `elementwise`.
        CheckpointError: for invalid weights.
        DataError: if the split has no images.
    """
    cfg, model = load_detector(run_dir, weights, trust)
    num_logits = model.cls_loss.num_logits(model.num_classes)
    compared = dict(chosen_losses(losses, num_logits, model.num_classes))
    xray = Xray(model.num_classes, len(model.head_in_features), num_logits)
    detections, hardest = Detections(model), HardBackground(model, gallery)
    own_sums = ExactSums(model.cls_loss, model.num_classes, len(model.head_in_features))
    may_weigh = type(model.label_assigner).forward is not MatcherAssigner.forward
    has_histogram = is_function_of_p_t(model.cls_loss) and not may_weigh
    parts = [xray, detections, hardest, *([] if has_histogram else [own_sums])]
    images = dense_images(cfg, model, split, max_images)
    try:
        for image in tqdm(images, desc="examine", unit="image", total=max_images, leave=False):
            for part in parts:
                part.add(image)
    except NotImplementedError as e:
        raise ConfigError(f"{run_dir}: {e}") from e
    if not xray.num_images:
        raise DataError(f"the {split} data of {run_dir} have no images")
    scores, correct = detections.match(cfg, split)
    shares = {key: shares_of(xray, loss) for key, loss in compared.items()}
    shares[OWN] = shares_of(xray, model.cls_loss) if has_histogram else own_sums.shares()
    return Examination(
        name,
        Path(run_dir),
        cfg,
        f"{type(model.cls_loss).__name__}({model.cls_loss.extra_repr()})",
        xray,
        compared | {OWN: model.cls_loss},
        shares,
        _easiest(xray, shares),
        hardest.found,
        scores,
        correct,
    )


def _easiest(xray: Xray, shares: Mapping[str, Shares]) -> dict[str, float]:
    paper = {key: shares_of(xray, loss) for key, loss in focal_losses((0.0, 2.0)).items()}
    named = {CROSS_ENTROPY: paper[CROSS_ENTROPY], FOCAL: paper[FOCAL], OWN: shares[OWN]}
    return {key: share.background.held_by_easiest(0.9) for key, share in named.items()}
