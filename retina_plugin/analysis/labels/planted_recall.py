"""How many planted faults are among the first proposals."""

from collections.abc import Sequence
from typing import Any

from pycocotools.mask import iou

from .evidence import NEAR
from .plant import Planted

_KIND = {"deleted": "missing", "wrong class": "wrong class", "moved": "misplaced"}


def planted_recall(planted: Sequence[Planted], proposals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per fault, with the numbers of faults "planted", "found" by entries of proposals.json, and "right kind".

    A deleted box is found if a proposal of kind "missing" has an IoU of NEAR or more with it, another fault if a
    proposal changes its annotation. "right kind" counts those found by a proposal of the matching kind.
    """
    rows = []
    for fault, kind in _KIND.items():
        own = [p for p in planted if p.fault == fault]
        found = [[p for p in proposals if names_fault(p, x)] for x in own]
        right = sum(any(p["kind"] == kind for p in ps) for ps in found)
        rows.append({"fault": fault, "planted": len(own), "found": sum(map(bool, found)), "right kind": right})
    return rows


def names_fault(proposal: dict[str, Any], planted: Planted) -> bool:
    """Whether an entry of proposals.json is about a planted fault."""
    if planted.fault != "deleted":
        return proposal["annotation_id"] == planted.before["id"]
    if proposal["kind"] != "missing" or proposal["image_id"] != planted.before["image_id"]:
        return False
    return iou([proposal["new_bbox"]], [planted.before["bbox"]], [0])[0, 0] >= NEAR
