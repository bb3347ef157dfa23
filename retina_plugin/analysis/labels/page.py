"""The page that shows every listed proposal."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...files import write_text
from ...pages.figures import jpeg_uri
from ...pages.render import template_environment
from .find import AnnotatedSet
from .pictures import draw_proposals
from .proposals import Proposal

_KINDS = ("missing", "wrong class", "misplaced", "spurious")


def write_page(path: Path, annotated: AnnotatedSet, proposals: Sequence[Proposal], total: int) -> None:
    """Write labels.html with a picture of every proposal, in their order; `total` includes proposals not listed.

    Raises:
        DataError: for an image that cannot be read.
        OSError: if the file cannot be written.
    """
    pictures = {p.id: jpeg_uri(picture) for p, picture in draw_proposals(proposals, annotated.by_image)}
    listed, likely = (Counter(p.kind for p in ps) for ps in (proposals, [p for p in proposals if p.strength > 0]))
    text = (
        template_environment(__package__, "labels.html.j2")
        .get_template("labels.html.j2")
        .render(
            json_file=annotated.json_file.name,
            num_annotations=len(annotated.content["annotations"]),
            num_images=len(annotated.content["images"]),
            total=total,
            kinds=[(kind, listed[kind], likely[kind]) for kind in _KINDS],
            proposals=[describe(p, annotated) | {"picture": pictures[p.id]} for p in proposals],
        )
    )
    write_text(path, text)


def describe(proposal: Proposal, annotated: AnnotatedSet) -> dict[str, Any]:
    """An entry of proposals.json: names of classes, the new category id, and boxes as XYWH in pixels."""
    return {
        "id": proposal.id,
        "kind": proposal.kind,
        "strength": round(proposal.strength, 3),
        "score": round(proposal.score, 4),
        "image_id": proposal.image_id,
        "file_name": proposal.file_name,
        "annotation_id": proposal.annotation_id,
        "old_bbox": _xywh(proposal.old_box),
        "old_class": None if proposal.old_label is None else annotated.names[proposal.old_label],
        "new_bbox": _xywh(proposal.new_box),
        "new_class": None if proposal.new_label is None else annotated.names[proposal.new_label],
        "new_category_id": None if proposal.new_label is None else annotated.categories[proposal.new_label],
    }


def _xywh(box: list[float] | None) -> list[float] | None:
    if box is None:
        return None
    x1, y1, x2, y2 = box
    return [round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)]
