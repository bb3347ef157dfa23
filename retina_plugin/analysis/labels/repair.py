"""Carries out accepted proposals in a copy of the annotations."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from .proposals import Proposal

_DRAWN = ("segmentation", "keypoints", "num_keypoints")  # what belongs to the old box


def repair(
    content: dict[str, Any], accepted: Sequence[Proposal], categories: Sequence[Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The content of a COCO json with the accepted changes, and the list of changes with annotations before and after.

    `categories` are ids by label. Annotations keep their order and ids; new ones follow with new ids. `content` itself
    is left as it is.
    """
    proposals = {p.annotation_id: p for p in accepted if p.kind != "missing"}
    ids = count(max((a["id"] for a in content["annotations"]), default=0) + 1)
    kept, changes = [], []
    for before in content["annotations"]:
        proposal = proposals.get(before["id"])
        after = before if proposal is None else _changed(before, proposal, categories)
        kept += [] if after is None else [after]
        changes += [] if proposal is None else [_change(proposal, before, after)]
    for proposal in (p for p in accepted if p.kind == "missing"):
        after = _added(proposal, categories, next(ids))
        kept.append(after)
        changes.append(_change(proposal, None, after))
    changes.sort(key=lambda change: change["proposal"])
    return {**content, "annotations": kept}, changes


def _changed(before: dict[str, Any], proposal: Proposal, categories: Sequence[Any]) -> dict[str, Any] | None:
    if proposal.kind == "spurious":
        return None
    if proposal.kind == "wrong class":
        return {**before, "category_id": categories[proposal.new_label]}
    return {k: v for k, v in before.items() if k not in _DRAWN} | _placed(proposal.new_box)


def _added(proposal: Proposal, categories: Sequence[Any], number: int) -> dict[str, Any]:
    category = categories[proposal.new_label]
    own = {"id": number, "image_id": proposal.image_id, "category_id": category, "iscrowd": 0}
    return own | _placed(proposal.new_box)


def _placed(box: Sequence[float]) -> dict[str, Any]:
    """The box of a json file, and its area."""
    x1, y1, x2, y2 = (round(side, 2) for side in box)
    width, height = round(x2 - x1, 2), round(y2 - y1, 2)
    return {"bbox": [x1, y1, width, height], "area": round(width * height, 2)}


def _change(proposal: Proposal, before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    return {"proposal": proposal.id, "kind": proposal.kind, "before": before, "after": after}
