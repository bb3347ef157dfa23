"""Calibrates scores: the log-odds that detections agree with annotations, learned from the examined set itself.

The scores of a detector are no probabilities, and a detector that was trained on faulty annotations is less confident.
So each question of `Agreement` gets a line from log-odds of scores to log-odds of the answer yes, as in Platt 1999,
Probabilistic Outputs for Support Vector Machines. Faulty annotations take part in the fit: they are few, and make the
answers cautious.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from .evidence import FAR, LEAST_SCORE, NEAR, Evidence


def fit_log_odds(x: np.ndarray, answers: np.ndarray, through_origin: bool = False) -> tuple[float, float]:
    """Slope >= 0 and intercept of the line log p / (1 - p) = slope * x + intercept, of (N,) log-odds and answers, bool.

    It has the maximum likelihood of Platt's targets.

    `through_origin` is for questions with two symmetric sides, where equal scores give equal odds.

    The targets are (N_yes + 1) / (N_yes + 2) and 1 / (N_no + 2), so that the line is finite if all answers are alike.
    """
    yes, no = answers.sum(), (~answers).sum()
    targets = np.where(answers, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        z = line[0] * x + line[1]
        error = 1 / (1 + np.exp(-z)) - targets
        return float((np.logaddexp(0, z) - targets * z).sum()), np.array([(error * x).sum(), error.sum()])

    bounds = [(0, None), (0, 0) if through_origin else (None, None)]
    slope, intercept = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(slope), float(intercept)


@dataclass(frozen=True)
class ClassLogOdds:
    """log p / (1 - p) = slope * x + intercepts[label]: classes differ in what a score means."""

    slope: float
    intercepts: np.ndarray

    def __call__(self, x: np.ndarray, labels: np.ndarray | int) -> np.ndarray:
        """(N,) log-odds of the answer yes, of (N,) log-odds x and labels 0..K-1."""
        return self.slope * x + self.intercepts[labels]


def fit_by_class(x: np.ndarray, labels: np.ndarray, answers: np.ndarray, num_classes: int) -> ClassLogOdds:
    """Fit one slope >= 0 and an intercept per class to (N,) log-odds, labels and answers, by maximum a posteriori.

    The intercept of a class is that of one line for all classes plus an offset with a standard normal prior: a class
    with few detections stays close to the line of all.
    """
    common_slope, common = fit_log_odds(x, answers)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        slope, added = line[0], line[1:]
        z = slope * x + common + added[labels]
        error = 1 / (1 + np.exp(-z)) - answers
        falls = np.r_[(error * x).sum(), np.bincount(labels, error, num_classes) + added]
        return float((np.logaddexp(0, z) - answers * z).sum() + (added**2).sum() / 2), falls

    start, bounds = np.r_[common_slope, np.zeros(num_classes)], [(0, None), *[(None, None)] * num_classes]
    line = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return ClassLogOdds(float(line[0]), common + line[1:])


@dataclass(frozen=True)
class Agreement:
    """Fits of the log-odds of the answer yes to three questions, on a whole set.

    Attributes:
        annotated: does a detection of this class and score have an annotation? Detections with an IoU between FAR and
            NEAR are left out, because most of them are inaccurate detections of an annotated object.
        same_class: does an annotation have the class that scores highest there? Slope of the line over `margin`.
        well_placed: does an annotation lie where its class scores highest? Slope over the absolute value of `lead`.
        balance: log of the number of detections with an annotation over those without.
    """

    annotated: ClassLogOdds
    same_class: float
    well_placed: float
    balance: float


def learn_agreement(images: Sequence[Evidence], num_classes: int) -> Agreement:
    """Fit the answers to all images of a set, including faulty annotations."""
    most = np.concatenate([e.overlaps.max(axis=1, initial=0) for e in images])
    clear, found = (most < FAR) | (most >= NEAR), most >= NEAR
    scores, classes = (np.concatenate([getattr(e, name) for e in images])[clear] for name in ("scores", "classes"))
    own = np.concatenate([e.labels for e in images])
    seen = np.concatenate([e.seen for e in images]).reshape(-1, num_classes)
    leads = np.concatenate([lead(e) for e in images])
    is_seen = seen.max(axis=1) > LEAST_SCORE
    return Agreement(
        annotated=fit_by_class(log_odds(scores), classes, found[clear], num_classes),
        same_class=fit_log_odds(margin(seen[is_seen]), (seen.argmax(axis=1) == own)[is_seen], through_origin=True)[0],
        well_placed=fit_log_odds(abs(leads[leads != 0]), leads[leads != 0] < 0, through_origin=True)[0],
        balance=float(np.log((found.sum() + 1) / ((clear & ~found).sum() + 1))),
    )


def log_odds(scores: np.ndarray) -> np.ndarray:
    """log(s / (1 - s)) of scores of any shape; a score of 1 gives a finite value."""
    kept = np.minimum(scores.astype(float), 1 - 1e-7)
    return np.log(kept / (1 - kept))


def margin(seen: np.ndarray) -> np.ndarray:
    """(T,) log-odds of the best class minus those of the second best, which scores at least LEAST_SCORE; of (T, K)."""
    nothing = np.full((len(seen), 1), LEAST_SCORE)
    second, best = np.sort(np.hstack([seen, nothing]), axis=1)[:, -2:].T
    return log_odds(best) - log_odds(second)


def lead(image: Evidence) -> np.ndarray:
    """(T,) log-odds of `loose` minus those of `tight` for every annotation: above 0 it may be misplaced."""
    return log_odds(image.loose) - log_odds(image.tight)
