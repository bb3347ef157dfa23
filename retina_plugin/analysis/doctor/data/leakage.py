"""Images that training and test data share, or that the training data have twice, under different names."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ....printable import and_others, shown
from ..finding import Finding, Severity
from ..reading.coco_set import CocoSet
from ..reading.image_facts import Pixels
from ..subject import Subject

_MOST_BITS = 10  # of 64, in which the difference hashes of similar images differ
_LEAST_CORRELATION = 0.95  # between the thumbnails of similar images
_NEGLIGIBLE = 0.05  # share of the test images

Pair = tuple[Path, Path]


def identical_images(subject: Subject) -> Iterator[Finding]:
    """The same bytes or pixels in training and test data under two names."""
    yield from _about(
        _identical(subject),
        "leak-identical",
        "a test image is a copy of a training image, and AP will be too high",
        "remove them from the test data; keep images of one scene in one part when you split data",
    )


def similar_images(subject: Subject) -> Iterator[Finding]:
    """Images that look alike in training and test data, such as frames of a film or resized copies."""
    known = set(_identical(subject))
    pairs = [pair for pair in _similar(subject.train_sets, subject.test_sets) if pair not in known]
    share = len({test for _, test in pairs}) / max(1, len(_paths(subject.test_sets)))
    yield from _about(
        pairs,
        "leak-near-duplicate",
        "a test image looks like a training image, and AP may be too high",
        "look at them; keep images of one scene in one part when you split data",
        "warning" if share > _NEGLIGIBLE else "hint",
    )


def repeated_images(subject: Subject) -> Iterator[Finding]:
    """The same image twice in the training data."""
    train = _paths(subject.train_sets)
    copies = [sorted(group & train) for group in _copies(subject.train_sets)]
    yield from _about(
        [(group[0], other) for group in copies for other in group[1:]],
        "image-duplicated",
        "a training image is a copy of another; it counts double, and objects that only one of them has are background "
        "in the other",
        "remove the copies",
    )


CHECKS = (identical_images, similar_images, repeated_images)


def _identical(subject: Subject) -> list[Pair]:
    """Pairs of a training and a test file of the same content, but not the same file."""
    train, test = _paths(subject.train_sets), _paths(subject.test_sets)
    return [
        (ours, theirs)
        for group in _copies(subject.sets)
        for ours in sorted(group & train)
        for theirs in sorted(group & test)
        if ours != theirs
    ]


def _copies(sets: Sequence[CocoSet]) -> list[set[Path]]:
    """Groups of files with the same pixels, or the same bytes where not all pixels are read."""
    groups: dict[object, set[Path]] = defaultdict(set)
    for data in sets:
        for place, pixels in data.pixels.items():
            if isinstance(pixels, Pixels):
                groups[pixels.digest].add(data.paths[place])
    if any(len(data.pixels) < len(data.there) for data in sets):
        sizes: dict[int, set[Path]] = defaultdict(set)
        for data in sets:
            for place in data.there:
                sizes[data.paths[place].stat().st_size].add(data.paths[place])
        for path in (path for paths in sizes.values() if len(paths) > 1 for path in paths):
            groups[hashlib.sha1(path.read_bytes()).digest()].add(path)
    return [group for group in groups.values() if len(group) > 1]


def _similar(ours: Sequence[CocoSet], theirs: Sequence[CocoSet]) -> Iterator[Pair]:
    """Pairs of a training and a test file with similar difference hashes and thumbnails."""
    first, second = _readable(ours), _readable(theirs)
    if not first or not second:
        return
    a, b = (np.array([pixels.dhash for _, pixels in side], float) for side in (first, second))
    bits = a.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * a @ b.T
    a, b = (np.array([pixels.thumbnail for _, pixels in side]) for side in (first, second))
    for i, j in np.argwhere((bits <= _MOST_BITS) & (a @ b.T >= _LEAST_CORRELATION)):
        if first[i][0] != second[j][0]:
            yield first[i][0], second[j][0]


def _readable(sets: Sequence[CocoSet]) -> list[tuple[Path, Pixels]]:
    return [(d.paths[place], pixels) for d in sets for place, pixels in d.pixels.items() if isinstance(pixels, Pixels)]


def _paths(sets: Sequence[CocoSet]) -> set[Path]:
    return {path for data in sets for path in data.paths}


def _about(
    pairs: Sequence[Pair], code: str, problem: str, fix: str, severity: Severity = "warning"
) -> Iterator[Finding]:
    if pairs := list(dict.fromkeys(pairs)):  # copies by their pixels may be copies by their bytes, too
        where = f"{shown(pairs[0][0])} and {shown(pairs[0][1])}{and_others(len(pairs) - 1)}"
        number = f"{len(pairs)} pair{'s' * (len(pairs) > 1)} of images"
        yield Finding(severity, code, f"{number}: {problem}", where, fix)
