"""How many planted faults are among the first proposals."""

from collections.abc import Sequence
from typing import Any

from pycocotools.mask import iou

from .evidence import NEAR
from .plant import Planted
from .proposals import Proposal

_KIND = {"deleted": "missing", "wrong class": "wrong class", "moved": "misplaced"}


def planted_recall(planted: Sequence[Planted], proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    """One row per fault: its name, how many were planted, and how many the proposals name.

    "found": a deleted box is where an annotation is said to be missing, with an IoU of NEAR; another fault is found if
    its annotation is to be changed. "right kind": found as what it is.
    """
    rows = []
    for fault, kind in _KIND.items():
        own = [p for p in planted if p.fault == fault]
        found = [[p for p in proposals if _names(p, x)] for x in own]
        right = sum(any(p.kind == kind for p in ps) for ps in found)
        rows.append({"fault": fault, "planted": len(own), "found": sum(map(bool, found)), "right kind": right})
    return rows


def _names(proposal: Proposal, planted: Planted) -> bool:
    if planted.fault != "deleted":
        return proposal.annotation_id == planted.before["id"]
    if proposal.kind != "missing" or proposal.image_id != planted.before["image_id"]:
        return False
    x1, y1, x2, y2 = proposal.new_box
    return iou([[x1, y1, x2 - x1, y2 - y1]], [planted.before["bbox"]], [0])[0, 0] >= NEAR
