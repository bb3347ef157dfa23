"""How often a detector as confident as this one agrees with the annotations: log-odds learned from the set itself.

The scores of a detector are no probabilities, and a detector that was trained on faulty annotations is sure of less.
So each question below gets a line from its log-odds to those of the answer yes, as in Platt 1999, Probabilistic Outputs
for Support Vector Machines. Annotations that are faulty count as well: they are few, and make the answers cautious.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from .evidence import FAR, LEAST_SCORE, NEAR, Evidence

TIGHT = 0.6  # IoU of a box with the annotation that it lies as well as


@dataclass(frozen=True)
class LogOdds:
    """log p / (1 - p) = slope * x + intercept for the log-odds x of a detector."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(N,) of (N,) log-odds x."""
        return self.slope * x + self.intercept


def fit_log_odds(x: np.ndarray, answers: np.ndarray, through_origin: bool = False) -> LogOdds:
    """The most likely line of (N,) log-odds and answers, bool, with Platt's targets; it does not fall.

    `through_origin` is for questions with two sides, where equal scores give equal odds.

    The targets are (N_yes + 1) / (N_yes + 2) and 1 / (N_no + 2), so that the line is finite if all answers are alike.
    """
    yes, no = answers.sum(), (~answers).sum()
    targets = np.where(answers, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        z = line[0] * x + line[1]
        error = 1 / (1 + np.exp(-z)) - targets
        return float((np.logaddexp(0, z) - targets * z).sum()), np.array([(error * x).sum(), error.sum()])

    bounds = [(0, None), (0, 0) if through_origin else (None, None)]
    line = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds).x
    return LogOdds(float(line[0]), float(line[1]))


@dataclass(frozen=True)
class Agreement:
    """The answers of a whole set.

    Attributes:
        annotated: is there an annotation, if a detection has this score? Detections between FAR and NEAR are left out,
            because most of them are inaccurate ones of an annotated object.
        same_class: has it the class that is seen there, by `margin`?
        well_placed: is the IoU with it at least TIGHT, if its best detection of its class has this score?
        balance: log of the number of detections with an annotation over those without.
    """

    annotated: LogOdds
    same_class: LogOdds
    well_placed: LogOdds
    balance: float


def learn_agreement(images: Sequence[Evidence]) -> Agreement:
    """Learn the answers from all images of a set, faults included."""
    most = np.concatenate([e.overlaps.max(axis=1, initial=0) for e in images])
    clear, found = (most < FAR) | (most >= NEAR), most >= NEAR
    seen = [e.seen.max(axis=1) > LEAST_SCORE for e in images]
    with_partner = [np.flatnonzero(e.partner >= 0) for e in images]
    pairs = [(e, e.partner[own], own) for e, own in zip(images, with_partner, strict=True)]
    return Agreement(
        annotated=fit_log_odds(np.concatenate([log_odds(e.scores) for e in images])[clear], found[clear]),
        same_class=fit_log_odds(
            np.concatenate([margin(e.seen[own]) for e, own in zip(images, seen, strict=True)]),
            np.concatenate([(e.seen.argmax(axis=1) == e.labels)[own] for e, own in zip(images, seen, strict=True)]),
            through_origin=True,
        ),
        well_placed=fit_log_odds(
            np.concatenate([log_odds(e.scores[d]) for e, d, _ in pairs]),
            np.concatenate([e.overlaps[d, t] >= TIGHT for e, d, t in pairs]),
        ),
        balance=float(np.log((found.sum() + 1) / ((clear & ~found).sum() + 1))),
    )


def log_odds(scores: np.ndarray) -> np.ndarray:
    """log s / (1 - s) of scores of any shape; those of exactly 1 are finite."""
    kept = np.minimum(scores.astype(float), 1 - 1e-7)
    return np.log(kept / (1 - kept))


def margin(seen: np.ndarray) -> np.ndarray:
    """(T,) log-odds of the best class over those of the second best, from scores (T, K)."""
    nothing = np.full((len(seen), 1), LEAST_SCORE)
    second, best = np.sort(np.hstack([seen, nothing]), axis=1)[:, -2:].T
    return log_odds(best) - log_odds(second)
