"""Whether the data load, and whether training and test data belong together."""

from collections.abc import Iterator

from ....data.coco import override_of_classes
from ....printable import shown
from ..finding import Finding, finding_of
from ..subject import Subject


def refused_data(subject: Subject) -> Iterator[Finding]:
    """What the loader refuses, with its own message: training would end with it (mmdetection#418)."""
    for data in subject.sets:
        if data.refused:
            yield finding_of(data.refused, shown(data.source))


def same_categories(subject: Subject) -> Iterator[Finding]:
    """Training and test data that number or name their classes differently (detectron2#5335, #946, #189, #1531)."""
    first, *others = subject.sets
    for other in others:
        ours, theirs = list(first.categories.items()), list(other.categories.items())
        where = f"categories of {shown(first.source)} and of {shown(other.source)}"
        if not ours or not theirs or ours == theirs:
            continue
        if [name for _, name in ours] != [name for _, name in theirs]:
            mine, yours = next((a, b) for a, b in zip([*ours, None], [*theirs, None], strict=False) if a != b)
            override = override_of_classes({data.name: list(data.categories.values()) for data in subject.sets})
            yield Finding(
                "error",
                "categories-differ",
                f"the data sets have different classes: the first that differs is {_named(mine)} and {_named(yours)}",
                where,
                override or "write the same categories, with the same ids, into both json files",
            )
        else:
            yield Finding(
                "warning",
                "category-ids-differ",
                f"the same classes have ids {_few(first.categories)} in one data set and {_few(other.categories)} in "
                "the other: one of them may be shifted by a class, and detections carry the ids of the training data",
                where,
                "draw both with retina data; give the classes the same ids in both json files",
            )


def same_file(subject: Subject) -> Iterator[Finding]:
    """Test images that are training images too, by path."""
    train = {path for data in subject.train_sets for path in data.paths}
    both = [path for data in subject.test_sets for path in data.paths if path in train]
    if both:
        total = sum(len(data.paths) for data in subject.test_sets)
        yield Finding(
            "warning",
            "leak-same-file",
            f"{len(both)} of {total} test images are training images too: AP will be too high",
            shown(both[0]),
            "remove them from one of the json files; retina_plugin.data.register_split makes two separate parts",
        )


CHECKS = (refused_data, same_categories, same_file)


def _named(category: tuple[int, str] | None) -> str:
    return f"{shown(category[1])} (id {category[0]})" if category else "none"


def _few(ids: dict[int, str]) -> str:
    numbers = list(ids)
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
