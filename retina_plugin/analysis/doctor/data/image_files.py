"""Image files that are damaged, blank, or differ from their entries or from what viewers show."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ....printable import shown
from ..finding import Finding
from ..reading.coco_set import MOST_PIXELS, CocoSet
from ..reading.image_facts import Header, Pixels
from ..subject import Subject
from .reporting import about_images

_FLAT = 1.0  # standard deviation of a channel


def unreadable_headers(subject: Subject) -> Iterator[Finding]:
    """Files that are no images."""
    for data in subject.sets:
        yield from unreadable(data, data.headers)


def wrong_sizes(subject: Subject) -> Iterator[Finding]:
    """Entries with another width or height than the file: training stops there, and their boxes may not fit."""
    for data in subject.sets:
        said = {place: (data.images[place]["width"], data.images[place]["height"]) for place in data.headers}
        wrong = [p for p, h in data.headers.items() if isinstance(h, Header) and h.read_size != said[p]]
        if not wrong:
            continue
        header, (width, height) = data.headers[wrong[0]], said[wrong[0]]
        turned = ", which is its size before the rotation in its EXIF data" if header.size == (width, height) else ""
        yield from about_images(
            data,
            wrong,
            len(data.headers),
            "image-size-differs",
            "have another size than their entry says, at which training stops: the first has "
            f"{header.read_size[0]} x {header.read_size[1]} pixels instead of {width} x {height}{turned}",
            "correct width and height in the json, and check with retina data whether the boxes fit",
            "error",
        )


def rotated(subject: Subject) -> Iterator[Finding]:
    """Photographs that are turned when they are read, which the annotation tool may not have done."""
    yield from _about(
        subject.sets,
        lambda header: header.orientation in range(2, 9),
        "image-exif-rotated",
        "are turned or mirrored according to their EXIF data when they are read",
        "check with retina data that the boxes were drawn on the turned images",
    )


def grey(subject: Subject) -> Iterator[Finding]:
    """Greyscale images among images with colours."""
    headers = [header for data in subject.sets for header in data.headers.values() if isinstance(header, Header)]
    is_mixed = len({_is_grey(header) for header in headers}) > 1
    yield from _about(
        subject.sets if is_mixed else (),
        _is_grey,
        "image-grey",
        "have one channel, which training repeats three times",
        "others have colours: check that this does not tell classes or splits apart",
    )


def deep(subject: Subject) -> Iterator[Finding]:
    """Images with 16 or more bits per channel, which other readers clip."""
    yield from _about(
        subject.sets,
        lambda header: header.is_deep,
        "image-16-bit",
        "have 16 or more bits per channel: training scales 16 bits to 8, and refuses 32",
        "check with retina data that they are neither dark nor flat; scale them otherwise if they are",
    )


def transparent(subject: Subject) -> Iterator[Finding]:
    """Images with transparent parts, whose hidden colours training uses."""
    yield from _about(
        subject.sets,
        lambda header: header.is_transparent,
        "image-alpha",
        "have transparency, which training drops: hidden colours become visible",
        "look at them with retina data; save them without transparency if they differ",
    )


def unreadable_pixels(subject: Subject) -> Iterator[Finding]:
    """Files that end too early or are damaged, which their header does not show."""
    for data in subject.sets:
        sound = {p: x for p, x in data.pixels.items() if isinstance(data.headers.get(p), Header | None)}
        yield from unreadable(data, sound)


def blank(subject: Subject) -> Iterator[Finding]:
    """Images of a single colour."""
    for data in subject.sets:
        flat = [p for p, x in data.pixels.items() if isinstance(x, Pixels) and x.spread < _FLAT]
        problem, fix = "have one colour everywhere", "export them again, or remove their entries"
        yield from about_images(data, flat, len(data.pixels), "image-blank", problem, fix, "warning")


def not_all_read(subject: Subject) -> Iterator[Finding]:
    """Data sets of which only a sample of the images was read."""
    for data in subject.sets:
        if len(data.pixels) < len(data.paths) and len(data.pixels) == MOST_PIXELS:
            yield Finding(
                "hint",
                "images-sampled",
                f"the pixels of {len(data.pixels)} of {len(data.paths)} images were read, at equal distances in the "
                "list: the others may be damaged, or be in both training and test data",
                shown(data.source),
                "nothing, unless training stops at an image",
            )


CHECKS = (unreadable_headers, wrong_sizes, rotated, grey, deep, transparent, unreadable_pixels, blank, not_all_read)


def unreadable(data: CocoSet, found: Mapping[int, object]) -> Iterator[Finding]:
    """One finding about the files for which `found` holds a str: the reason why they cannot be read."""
    places = [place for place, reason in found.items() if isinstance(reason, str)]
    problem = f"cannot be read: {shown(found[places[0]])}" if places else ""
    fix = "copy or save them again; training stops at them"
    yield from about_images(data, places, len(found), "image-unreadable", problem, fix, "error")


def _is_grey(header: Header) -> bool:
    return header.mode[0] in "1LIF"


def _about(
    sets: Sequence[CocoSet], is_one: Callable[[Header], bool], code: str, problem: str, fix: str
) -> Iterator[Finding]:
    """One hint per data set about the files whose header `is_one` accepts."""
    for data in sets:
        headers = {place: header for place, header in data.headers.items() if isinstance(header, Header)}
        places = [place for place, header in headers.items() if is_one(header)]
        yield from about_images(data, places, len(headers), code, problem, fix, "hint")
