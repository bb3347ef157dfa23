"""Calibration of scores: is a share s of the detections with score s correct?

A detection is correct if COCO's matching at IoU .5 gives it an object; detections of crowds do not count. So
missed objects do not count either, and a detector with low scores only can be calibrated well. D detections have scores
s_i and labels y_i, 1 if correct. Bin B_m holds n_m detections with mean score conf(m); a share prec(m) is correct.

- ECE = sum_m n_m / D |prec(m) - conf(m)|, over bins of equal width: Guo et al. 2017, On Calibration of Modern Neural
  Networks, section 2; for detections Küppers et al. 2020, Multivariate Confidence Calibration for Object Detection,
  section 3, here without the position of boxes.
- ECE_adaptive: the same over bins with equally many detections, because most scores are low.
- RMSCE_debiased = sqrt(max(0, sum_m n_m / D [(prec(m) - conf(m))^2 - prec(m) (1 - prec(m)) / (n_m - 1)])), over bins
  with equally many detections: the subtracted variance of prec(m) makes the sum unbiased, while ECE is too large for
  few detections. Kumar et al. 2019, Verified Uncertainty Calibration, section 5.
- Brier = mean (s_i - y_i)^2.
- log_loss = -mean (y_i log s_i + (1 - y_i) log(1 - s_i)), with scores kept from 0 and 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO

from .box_metrics import Detection, evaluate_boxes

NUM_BINS = 15  # as Guo et al. 2017
IOU = 0.5
_LEAST_SCORE = 1e-7  # least distance of scores from 0 and 1 in the log loss; float32 rounds closer ones to 0 or 1


@dataclass(frozen=True)
class Reliability:
    """Bins of detections by score, in ascending order; empty bins are left out.

    Attributes:
        count: (M,) number of detections.
        score: (M,) their mean score.
        precision: (M,) share of them that are correct.
    """

    count: np.ndarray
    score: np.ndarray
    precision: np.ndarray

    @property
    def error(self) -> float:
        """|precision - score|, averaged over detections; NaN without detections."""
        return _weighted_mean(np.abs(self.precision - self.score), self.count)

    @property
    def debiased_squared_error(self) -> float:
        """(precision - score)^2 minus its bias, averaged over detections; may be negative. Skips bins of one."""
        several = self.count > 1
        count, score, precision = self.count[several], self.score[several], self.precision[several]
        variance = precision * (1 - precision) / (count - 1)
        return _weighted_mean((precision - score) ** 2 - variance, count)


def match_scores(
    truth: COCO, detections: Sequence[Detection], max_dets: int = 100, img_ids: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The (D,) scores of all detections that count, and whether each is correct, (D,) bool.

    The annotations of `truth` are complete (see `complete_annotations`). Of each image and category, the `max_dets`
    detections with the highest scores count.
    """
    evaluation = evaluate_boxes(truth, detections, [max_dets], img_ids, [IOU], all_areas_only=True)
    found = [evaluation.cells[key] for key in sorted(evaluation.cells)]
    scores = np.array([s for image in found for s in image["dtScores"]], float)
    correct = np.array([m > 0 for image in found for m in image["dtMatches"][0]], bool)
    ignored = np.array([i for image in found for i in image["dtIgnore"][0]], bool)
    return scores[~ignored], correct[~ignored]


def equal_width_bins(scores: np.ndarray, correct: np.ndarray, num_bins: int = NUM_BINS) -> Reliability:
    """Bins ((m - 1) / M, m / M] of (D,) scores and labels; a score of 0 is in the first bin."""
    place = np.clip(np.ceil(scores * num_bins).astype(int) - 1, 0, num_bins - 1)
    return _reliability(place, scores, correct, num_bins)


def equal_count_bins(scores: np.ndarray, correct: np.ndarray, num_bins: int = NUM_BINS) -> Reliability:
    """Bins of (D,) scores and labels; the numbers of detections in two bins differ by at most one."""
    rank = np.empty(len(scores), int)
    rank[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    return _reliability(rank * num_bins // max(len(scores), 1), scores, correct, num_bins)


def calibration_metrics(scores: np.ndarray, correct: np.ndarray) -> dict[str, float]:
    """The measures of this module by name, from (D,) scores in [0, 1] and labels; NaN without detections.

    Lower is better for all of them. RMSCE_debiased needs two detections in a bin, otherwise it is NaN.
    """
    adaptive = equal_count_bins(scores, correct)
    kept = np.clip(scores, _LEAST_SCORE, 1 - _LEAST_SCORE)
    log_likelihood = np.where(correct, np.log(kept), np.log1p(-kept))
    return {
        "ECE": equal_width_bins(scores, correct).error,
        "ECE_adaptive": adaptive.error,
        "RMSCE_debiased": float(np.sqrt(np.maximum(adaptive.debiased_squared_error, 0))),
        "Brier": _weighted_mean((scores - correct) ** 2, np.ones(len(scores))),
        "log_loss": -_weighted_mean(log_likelihood, np.ones(len(scores))),
    }


def _reliability(place: np.ndarray, scores: np.ndarray, correct: np.ndarray, num_bins: int) -> Reliability:
    """Bins from the (D,) bin of each detection."""
    count = np.bincount(place, minlength=num_bins)
    used = count > 0
    sums = (np.bincount(place, weights=values, minlength=num_bins)[used] for values in (scores, correct))
    score, precision = (total / count[used] for total in sums)
    return Reliability(count[used], score, precision)


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    return float(np.average(values, weights=weights)) if weights.sum() else float("nan")
