"""Sums of a classification loss and its gradient by group of anchors, and histograms of p_t.

M anchors of a batch, L levels, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes
from torch import Tensor

from ..modeling.losses import ClassificationLoss, anchor_sums
from ..modeling.meta_arch import TrainingPass
from .box_metrics import SIZE_LIMITS, SIZES

QUANTITIES = ("cls", "gradient")
"""The quantities that are summed: the classification loss, and the L1 norm of its gradient by the logits."""
PT_EDGES = np.linspace(-10, 10, 41)
"""Edges of the bins of a histogram, in log-odds of p_t; the outer bins hold what lies beyond."""
_CHUNK = 1 << 20  # logits


@dataclass(frozen=True)
class ImbalanceSums:
    """Sums over groups of anchors. A row holds loss, L1 norm of the gradient by the logits, and number of anchors.

    Ignored anchors are in no group. An object is small below 32^2 and large from 96^2 square pixels on, as in COCO, but
    here this is the area of its box in the resized image that the network sees.

    Attributes:
        background, foreground: (L, 3) by level; together they hold every anchor that is not ignored.
        sizes: (3, 3) foreground by the size of the object.
        classes: (K, 3) foreground by class.
        p_t: (2, 40) number of background and of foreground anchors in the bins of `PT_EDGES`. p_t is the score of a
            foreground anchor's own class, and 1 minus the highest score of a background anchor.
    """

    background: np.ndarray
    foreground: np.ndarray
    sizes: np.ndarray
    classes: np.ndarray
    p_t: np.ndarray

    def __add__(self, other: ImbalanceSums) -> ImbalanceSums:
        return ImbalanceSums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@torch.no_grad()
def imbalance_sums(loss: ClassificationLoss, seen: TrainingPass, num_classes: int) -> ImbalanceSums:
    """The sums of a training pass; the loss is not yet multiplied by its weight or divided by the loss normalizer.

    Raises:
        NotImplementedError: if the loss gives only a sum, without the loss of each anchor.
    """
    labels = seen.targets.labels
    value, slope = anchor_sums(loss, seen.logits, seen.targets)
    rows = torch.stack([value, slope, torch.ones_like(value)])
    found = ((labels >= 0) & (labels < num_classes)).nonzero()[:, 0]
    own = rows[:, found].double().T.cpu().numpy()
    ends = torch.tensor(seen.level_sizes, device=labels.device).cumsum(0)
    levels = torch.bucketize(found % ends[-1], ends, right=True)
    areas = Boxes(seen.gt_boxes[found]).area()
    return ImbalanceSums(
        background=_by_level(rows * (labels == num_classes), seen.level_sizes),
        foreground=_grouped(own, levels, len(seen.level_sizes)),
        sizes=_grouped(own, torch.bucketize(areas, areas.new_tensor(SIZE_LIMITS), right=True), len(SIZES)),
        classes=_grouped(own, labels[found], num_classes),
        p_t=_histograms(loss, seen.logits, labels, num_classes),
    )


def _by_level(rows: Tensor, level_sizes: Sequence[int]) -> np.ndarray:
    """(L, 3) sums of rows (3, M)."""
    parts = rows.view(3, -1, sum(level_sizes)).split(list(level_sizes), dim=2)
    return torch.stack([part.sum((1, 2), dtype=torch.float64) for part in parts]).cpu().numpy()


def _grouped(rows: np.ndarray, groups: Tensor, number: int) -> np.ndarray:
    """(number, 3) sums of the rows (P, 3) in each group; `groups` (P,) are their indices."""
    sums = np.zeros((number, 3))
    np.add.at(sums, groups.cpu().numpy(), rows)
    return sums


def _histograms(loss: ClassificationLoss, logits: Tensor, labels: Tensor, num_classes: int) -> np.ndarray:
    """(2, 40), see `ImbalanceSums.p_t`."""
    counts = torch.zeros(2, len(PT_EDGES) - 1, dtype=torch.long, device=logits.device)
    rows = max(1, _CHUNK // max(1, logits.shape[1]))
    for some, their_labels in zip(logits.split(rows), labels.split(rows), strict=True):
        scores = loss.scores(some.float())
        background = their_labels == num_classes
        counts[0] += _count(-scores[background].amax(1).logit(1e-6))
        is_own = torch.arange(num_classes, device=labels.device) == their_labels[:, None]
        counts[1] += _count(scores[is_own].logit(1e-6))
    return counts.cpu().numpy()


def _count(log_odds: Tensor) -> Tensor:
    log_odds = log_odds[~log_odds.isnan()]  # the training says where such numbers come from
    width = PT_EDGES[1] - PT_EDGES[0]
    bins = ((log_odds - PT_EDGES[0]) / width).floor().clamp(0, len(PT_EDGES) - 2)
    return torch.bincount(bins.long(), minlength=len(PT_EDGES) - 1)


def imbalance_record(
    sums: ImbalanceSums, iteration: int, scale: float, levels: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
    """A line of imbalance.jsonl: the tables of `sums` by name, with losses and gradients times `scale`."""
    factors = np.array([scale, scale, 1.0])
    tables = {
        "background": (levels, sums.background),
        "foreground": (levels, sums.foreground),
        "sizes": (SIZES, sums.sizes),
        "classes": (classes, sums.classes),
    }
    by_name = {
        table: {name: [float(f"{x:.7g}") for x in row] for name, row in zip(names, rows * factors, strict=True)}
        for table, (names, rows) in tables.items()
    }
    p_t = dict(zip(("background", "foreground"), sums.p_t.tolist(), strict=True))
    return {"iteration": iteration, **by_name, "p_t": p_t}


def imbalance_shares(record: Mapping[str, Any]) -> dict[str, float]:
    """Shares in [0, 1] from a line of imbalance.jsonl; names are "cls." or "gradient." and a group.

    The groups background, foreground and level.NAME have shares of the total, size.NAME and class.NAME of the
    foreground. Shares of a total of 0, as in a batch without foreground, are left out.
    """
    background, foreground = record["background"], record["foreground"]
    shares = {}
    for column, quantity in enumerate(QUANTITIES):
        of_background, of_foreground = (
            sum(row[column] for row in table.values()) for table in (background, foreground)
        )
        levels = {f"level.{name}": row[column] + foreground[name][column] for name, row in background.items()}
        parts = {"background": of_background, "foreground": of_foreground} | levels
        if (total := of_background + of_foreground) > 0:
            shares |= {f"{quantity}.{name}": x / total for name, x in parts.items()}
        for kind, table in (("size", record["sizes"]), ("class", record["classes"])):
            total = sum(row[column] for row in table.values())
            shares |= {f"{quantity}.{kind}.{name}": row[column] / total for name, row in table.items() if total > 0}
    return shares
