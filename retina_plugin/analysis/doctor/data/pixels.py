"""Images that are damaged behind their header, or that show nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....files import shown
from ..finding import Finding
from .image_files import unreadable
from .reading.coco_set import MOST_PIXELS
from .reading.image_facts import Header, Pixels
from .reporting import about_images

if TYPE_CHECKING:
    from ..subject import Subject

_FLAT = 1.0  # standard deviation of grey levels


def unreadable_pixels(subject: "Subject") -> Iterator[Finding]:
    """Files that end too early or are damaged, which their header does not show."""
    for data in subject.sets:
        sound = {p: x for p, x in data.pixels.items() if isinstance(data.headers.get(p), Header | None)}
        yield from unreadable(data, sound)


def blank(subject: "Subject") -> Iterator[Finding]:
    """Images of a single colour."""
    for data in subject.sets:
        flat = [p for p, x in data.pixels.items() if isinstance(x, Pixels) and x.spread < _FLAT]
        problem, fix = "have one colour everywhere", "export them again, or remove their entries"
        yield from about_images(data, flat, len(data.pixels), "image-blank", problem, fix, "warning")


def not_all_read(subject: "Subject") -> Iterator[Finding]:
    """Says what was not examined."""
    for data in subject.sets:
        if len(data.pixels) < len(data.paths) and len(data.pixels) == MOST_PIXELS:
            yield Finding(
                "hint",
                "images-sampled",
                f"the pixels of {len(data.pixels)} of {len(data.paths)} images were read, at equal distances in the "
                "list: the others may be damaged, or be in both training and test data",
                shown(data.json_file),
                "nothing, unless training stops at an image",
            )


CHECKS = (unreadable_pixels, blank, not_all_read)
