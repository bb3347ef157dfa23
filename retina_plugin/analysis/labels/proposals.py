"""Proposed changes of annotations, sorted by strength.

The strength of a proposal is a log-odds: how often, in this set, detections as confident as this one agree with the
annotations in what the proposal changes.

- missing: a detection has an IoU below FAR with every annotation. Strength: the log-odds that a detection of its class
  and score has an annotation.
- wrong class: another class scores highest where the annotation is. Strength: the log-odds that an annotation has the
  class that leads by this margin.
- misplaced: `Evidence.partner` has an IoU below TIGHT with the annotation, and `loose` exceeds `tight`. Strength: the
  log-odds that an annotation lies where the scores lead by as much.
- spurious: the highest score there, in boxes with an IoU >= LOOSE, is low. Strength: the log of how many times rarer
  that score is at annotations than at other detections. It is a likelihood ratio, without the prior odds of an
  annotation: somebody has drawn this one.

So all strengths have one unit. They say how unusual the disagreement is, not whether annotation or detector is wrong:
an inaccurate detector disagrees as well. A detector that was trained on these annotations may have memorized some,
which weakens proposals.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .evidence import FAR, LEAST_SCORE, LOOSE, TIGHT, Evidence
from .odds import Agreement, lead, learn_agreement, log_odds, margin

Kind = Literal["missing", "wrong class", "misplaced", "spurious"]


@dataclass(frozen=True)
class Proposal:
    """One change of an annotation. Boxes are XYXY in pixels of the original image; labels are 0..K-1.

    Attributes:
        id: place in the list of all proposals of a set, from 1, the strongest first.
        image_id: of the json file.
        file_name: path of the image.
        annotation_id: of the annotation to change; None for a missing one.
        old_box, old_label: as annotated; None for a missing one.
        new_box, new_label: as proposed; None for a spurious one.
        score: of the detection or class that it proposes; for a spurious one the highest score there.
        strength: log-odds.
    """

    id: int
    kind: Kind
    image_id: Any
    file_name: str
    annotation_id: int | None
    old_box: list[float] | None
    old_label: int | None
    new_box: list[float] | None
    new_label: int | None
    score: float
    strength: float


def propose(images: Sequence[Evidence], num_classes: int) -> list[Proposal]:
    """All proposals for a set, the strongest first: one per annotation except crowds, however weak, and the missing."""
    agreement = learn_agreement(images, num_classes)
    found = [proposal for image in images for proposal in _of_image(image, agreement)]
    found.sort(key=lambda p: -p.strength)
    return [replace(p, id=number) for number, p in enumerate(found, 1)]


def _of_image(image: Evidence, agreement: Agreement) -> Iterator[Proposal]:
    explained = image.overlaps.max(axis=1, initial=0) >= FAR
    for place in range(len(image.annotations)):
        best = max(_of_annotation(image, place, agreement), key=lambda p: p.strength)
        if best.kind == "misplaced":
            explained[image.partner[place]] = True
        yield best
    strengths = agreement.annotated(log_odds(image.scores), image.classes)
    for d in np.flatnonzero(~explained):
        new = image.boxes[d].tolist(), int(image.classes[d])
        yield _proposal("missing", image, None, new, image.scores[d], strengths[d])


def _of_annotation(image: Evidence, place: int, agreement: Agreement) -> Iterator[Proposal]:
    seen, label, partner = image.seen[place], int(image.labels[place]), image.partner[place]
    top = seen.max()
    around = image.scores[image.overlaps[:, place] >= LOOSE].max(initial=top)
    rarer = agreement.balance - agreement.annotated(log_odds(around), label)
    yield _proposal("spurious", image, place, None, around, rarer)
    if top > LEAST_SCORE and seen.argmax() != label:
        new = image.truth[place].tolist(), int(seen.argmax())
        yield _proposal("wrong class", image, place, new, top, agreement.same_class * margin(seen[None])[0])
    leads = lead(image)[place]
    if partner >= 0 and image.overlaps[partner, place] < TIGHT and leads > 0:
        new = image.boxes[partner].tolist(), label
        yield _proposal("misplaced", image, place, new, image.scores[partner], agreement.well_placed * leads)


def _proposal(
    kind: Kind, image: Evidence, place: int | None, new: tuple[list[float], int] | None, score: float, strength: float
) -> Proposal:
    return Proposal(
        id=0,
        kind=kind,
        image_id=image.image_id,
        file_name=image.file_name,
        annotation_id=None if place is None else image.annotations[place]["id"],
        old_box=None if place is None else image.truth[place].tolist(),
        old_label=None if place is None else int(image.labels[place]),
        new_box=new and new[0],
        new_label=new and new[1],
        score=float(score),
        strength=float(strength),
    )
