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
class ClassLogOdds:
    """log p / (1 - p) = slope * x + intercepts[label]: classes differ in what a score means."""

    slope: float
    intercepts: np.ndarray

    def __call__(self, x: np.ndarray, labels: np.ndarray | int) -> np.ndarray:
        """(N,) of (N,) log-odds x and labels 0..K-1."""
        return self.slope * x + self.intercepts[labels]


def fit_by_class(x: np.ndarray, labels: np.ndarray, answers: np.ndarray, num_classes: int) -> ClassLogOdds:
    """The most likely lines of (N,) log-odds, labels and answers; they do not fall.

    Intercepts are those of one line for all classes and what a class adds, which is normal with mean 0 and variance 1
    beforehand: a class with few detections keeps the line of all.
    """
    common = fit_log_odds(x, answers)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        slope, added = line[0], line[1:]
        z = slope * x + common.intercept + added[labels]
        error = 1 / (1 + np.exp(-z)) - answers
        falls = np.r_[(error * x).sum(), np.bincount(labels, error, num_classes) + added]
        return float((np.logaddexp(0, z) - answers * z).sum() + (added**2).sum() / 2), falls

    start, bounds = np.r_[common.slope, np.zeros(num_classes)], [(0, None), *[(None, None)] * num_classes]
    line = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return ClassLogOdds(float(line[0]), common.intercept + line[1:])


@dataclass(frozen=True)
class Agreement:
    """The answers of a whole set.

    Attributes:
        annotated: is there an annotation, if a detection of this class has this score? Detections between FAR and NEAR
            are left out, because most of them are inaccurate ones of an annotated object.
        same_class: has it the class that is seen there, by `margin`?
        well_placed: does it lie where its class is seen best, by `lead` in size?
        balance: log of the number of detections with an annotation over those without.
    """

    annotated: ClassLogOdds
    same_class: LogOdds
    well_placed: LogOdds
    balance: float


def learn_agreement(images: Sequence[Evidence], num_classes: int) -> Agreement:
    """Learn the answers from all images of a set, faults included."""
    most = np.concatenate([e.overlaps.max(axis=1, initial=0) for e in images])
    clear, found = (most < FAR) | (most >= NEAR), most >= NEAR
    scores, classes = (np.concatenate([getattr(e, name) for e in images])[clear] for name in ("scores", "classes"))
    own = np.concatenate([e.labels for e in images])
    seen = np.concatenate([e.seen for e in images]).reshape(-1, num_classes)
    leads = np.concatenate([lead(e) for e in images])
    is_seen = seen.max(axis=1) > LEAST_SCORE
    return Agreement(
        annotated=fit_by_class(log_odds(scores), classes, found[clear], num_classes),
        same_class=fit_log_odds(margin(seen[is_seen]), (seen.argmax(axis=1) == own)[is_seen], through_origin=True),
        well_placed=fit_log_odds(abs(leads[leads != 0]), leads[leads != 0] < 0, through_origin=True),
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


def lead(image: Evidence) -> np.ndarray:
    """(T,) log-odds of the loose boxes of every annotation over those of the tight ones: above 0 it is misplaced."""
    return log_odds(image.loose) - log_odds(image.tight)
