"""Findings about many boxes or images of a data set: each names the first and counts the others."""

from collections.abc import Iterator, Sequence

import numpy as np

from ....data.coco_json.boxes import AS_CORNERS, AS_FRACTIONS, OF_ANOTHER_SIZE
from ....printable import and_others, shown
from ..finding import Finding, Severity
from ..reading.coco_set import CocoSet


def about_boxes(
    data: CocoSet, marked: np.ndarray, code: str, problem: str, fix: str, severity: Severity = "warning"
) -> Iterator[Finding]:
    """One finding about the annotations that are True in `marked` (N,), or none."""
    if marked.any():
        message = f"{int(marked.sum())} of {len(marked)} boxes {problem}"
        yield Finding(severity, code, message, where_boxes(data, marked), fix)


def about_images(
    data: CocoSet, places: Sequence[int], total: int, code: str, problem: str, fix: str, severity: Severity
) -> Iterator[Finding]:
    """One finding about the images with the indices `places`, out of `total` examined ones, or none."""
    if places:
        where = f"{shown(data.paths[places[0]])}{and_others(len(places) - 1)}"
        yield Finding(severity, code, f"{len(places)} of {total} images {problem}", where, fix)


def where_boxes(data: CocoSet, marked: np.ndarray) -> str:
    """The first marked annotation with its image, and the number of others."""
    first = data.annotations[int(marked.argmax())]
    name = shown(data.images[data.places[first["image_id"]]]["file_name"])
    what = f"annotation {shown(first.get('id', '?'))} in {name}, bbox {shown(first['bbox'])}"
    return f"{shown(data.source)}: {what}{and_others(int(marked.sum()) - 1)}"


def with_sound_boxes(sets: Sequence[CocoSet]) -> list[CocoSet]:
    """The data sets whose boxes are not refused for their format; in the others single boxes are meaningless."""
    refused = (AS_CORNERS, AS_FRACTIONS, OF_ANOTHER_SIZE)
    return [data for data in sets if not (data.refused and data.refused.code in refused)]
