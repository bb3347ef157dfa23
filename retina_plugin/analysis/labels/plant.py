"""Plants faults in a COCO json, and counts how many of them are among the first proposals."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pycocotools.mask import iou

from .evidence import NEAR

Fault = Literal["deleted", "wrong class", "moved"]
_KIND = {"deleted": "missing", "wrong class": "wrong class", "moved": "misplaced"}  # of the proposal for a fault
SHARES: Mapping[Fault, float] = {"deleted": 0.05, "wrong class": 0.02, "moved": 0.02}
_SHIFT = (0.15, 0.3)  # of its width and of its height: a moved box keeps an IoU of .32 to .57 with the object


@dataclass(frozen=True)
class Planted:
    """One planted fault, as in faults.json: the annotation as it was and as it is now, None for a deleted one."""

    fault: Fault
    before: dict[str, Any]
    after: dict[str, Any] | None


def plant_faults(
    content: dict[str, Any], seed: int = 0, shares: Mapping[Fault, float] = SHARES
) -> tuple[dict[str, Any], list[Planted]]:
    """A copy of a COCO json's content with faults, and the list of them; the same for the same seed.

    No annotation has two faults, and crowds have none. `shares` are shares of all annotations that are not crowds.
    A wrong class is drawn uniformly from the other classes; data of one class get no such fault. A moved box is shifted
    by 15 to 30 % of its width and of its height, loses its segmentation, and is not clipped to its image.
    """
    rng = np.random.default_rng(seed)
    boxes = [a for a in content["annotations"] if not a.get("iscrowd")]
    order, kinds = iter(rng.permutation(len(boxes))), [c["id"] for c in content["categories"]]
    planted = []
    for fault, share in shares.items():
        if fault == "wrong class" and len(kinds) < 2:
            continue
        for _ in range(round(share * len(boxes))):
            before = boxes[next(order)]
            planted.append(Planted(fault, before, _spoilt(before, fault, kinds, rng)))
    changed = {p.before["id"]: p.after for p in planted}
    after = [changed.get(a["id"], a) for a in content["annotations"]]
    return copy.deepcopy({**content, "annotations": [a for a in after if a is not None]}), planted


def _spoilt(
    annotation: dict[str, Any], fault: Fault, categories: list[Any], rng: np.random.Generator
) -> dict[str, Any] | None:
    if fault == "deleted":
        return None
    if fault == "wrong class":
        others = [c for c in categories if c != annotation["category_id"]]
        return {**annotation, "category_id": others[rng.integers(len(others))]}
    x, y, width, height = annotation["bbox"]
    dx, dy = rng.uniform(*_SHIFT, 2) * rng.choice([-1, 1], 2)
    rest = {k: v for k, v in annotation.items() if k != "segmentation"}
    return {**rest, "bbox": [round(x + dx * width, 2), round(y + dy * height, 2), width, height]}


def planted_recall(planted: Sequence[Planted], proposals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per fault, with the numbers of faults "planted", "found" by entries of proposals.json, and "right kind".

    A deleted box is found if a proposal of kind "missing" has an IoU of NEAR or more with it, another fault if a
    proposal changes its annotation. "right kind" counts those found by a proposal of the matching kind.
    """
    rows = []
    for fault, kind in _KIND.items():
        own = [p for p in planted if p.fault == fault]
        found = [[p for p in proposals if _names_fault(p, x)] for x in own]
        right = sum(any(p["kind"] == kind for p in ps) for ps in found)
        rows.append({"fault": fault, "planted": len(own), "found": sum(map(bool, found)), "right kind": right})
    return rows


def right_proposals(planted: Sequence[Planted], proposals: Sequence[dict[str, Any]]) -> list[int]:
    """Ids of the entries of proposals.json that mend a fault, at most one per fault: the first.

    A deleted box and a wrong class need the right category, a moved box a place that fits better than the present one.
    """
    mending = (next((p["id"] for p in proposals if _mends(p, fault)), None) for fault in planted)
    return sorted(number for number in mending if number is not None)


def _mends(proposal: dict[str, Any], planted: Planted) -> bool:
    if proposal["kind"] != _KIND[planted.fault] or not _names_fault(proposal, planted):
        return False
    if planted.after is None or planted.fault == "wrong class":
        return proposal["new_category_id"] == planted.before["category_id"]
    now, new = iou([planted.after["bbox"], proposal["new_bbox"]], [planted.before["bbox"]], [0])[:, 0]
    return bool(new > now)


def _names_fault(proposal: dict[str, Any], planted: Planted) -> bool:
    """Whether an entry of proposals.json is about a planted fault."""
    if planted.fault != "deleted":
        return proposal["annotation_id"] == planted.before["id"]
    if proposal["kind"] != "missing" or proposal["image_id"] != planted.before["image_id"]:
        return False
    return iou([proposal["new_bbox"]], [planted.before["bbox"]], [0])[0, 0] >= NEAR
