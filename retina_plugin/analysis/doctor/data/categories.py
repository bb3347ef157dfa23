"""Categories that are no classes, or have misleading ids or names."""

from collections import Counter
from collections.abc import Iterator

from ....printable import shown
from ..finding import Finding
from ..reading.coco_set import CocoSet
from ..subject import Subject

_BACKGROUND = {"background", "bg", "back ground"}
_PLACEHOLDERS = {"n/a", "na", "none", "null", "unused", "placeholder", "empty"}
# among the 91 categories of COCO's paper, but not among the 80 of its annotations
_NEVER_ANNOTATED = {"street sign", "hat", "shoe", "eye glasses", "plate", "mirror", "window", "desk", "door", "blender"}


def background_class(subject: Subject) -> Iterator[Finding]:
    """A class for the background, which RetinaNet does not have (detectron2#1856, keras-retinanet#1254)."""
    for data in subject.sets:
        for category, name in data.categories.items():
            if _plain(name) in _BACKGROUND:
                yield Finding(
                    "warning",
                    "background-category",
                    f"{shown(name)} is a category, but RetinaNet has no class for background: an anchor without an "
                    "object is background",
                    f"{shown(data.source)}: category {category}",
                    "remove the category and its annotations from the json files; set model.num_classes accordingly",
                )


def placeholder_classes(subject: Subject) -> Iterator[Finding]:
    """Ids without a meaning, such as the 10 or 11 between COCO's 80 classes (pytorch-retinanet#24)."""
    for data in subject.sets:
        names = {_plain(name): name for name in data.categories.values()}
        unused = [names[plain] for plain in names if plain in _PLACEHOLDERS]
        if len(found := names.keys() & _NEVER_ANNOTATED) >= 5 and "person" in names:
            unused += [names[plain] for plain in sorted(found)]
        if unused:
            yield Finding(
                "warning",
                "placeholder-category",
                f"{len(unused)} of {len(data.categories)} categories stand for no class, such as {shown(unused[0])}. "
                "COCO has ids up to 90, but 80 classes",
                f"{shown(data.source)}: categories",
                "remove them from the list of categories: ids may have gaps, as those of COCO have",
            )


def similar_names(subject: Subject) -> Iterator[Finding]:
    """Classes whose names suggest that they are the same class."""
    for data in subject.sets:
        exact = Counter(data.categories.values())
        plain = Counter(map(_plain, exact))
        if twice := [name for name, number in exact.items() if number > 1]:
            yield _alike(data, "category-name-twice", twice, "appears more than once: metrics show one of them only")
        if alike := [name for name in exact if plain[_plain(name)] > 1]:
            others = [name for name in alike if _plain(name) == _plain(alike[0])]
            problem = f"differs from {shown(others[1])} in case or spaces only, but is another class"
            yield _alike(data, "category-names-alike", alike, problem)


def shifted_ids(subject: Subject) -> Iterator[Finding]:
    """Annotations that count classes from 0 and categories that count from 1, or the reverse (YOLOF#39)."""
    for data in subject.sets:
        used = {a.get("category_id") for a in data.content["annotations"] if type(a.get("category_id")) is int}
        declared = set(data.categories)
        if not declared or not used - declared:
            continue
        low, high = min(declared), max(declared)
        for start, missing, absent in ((low - 1, low - 1, high), (low + 1, high + 1, low)):
            if used - declared == {missing} and absent not in used:
                yield Finding(
                    "error",
                    "category-ids-shifted",
                    f"annotations count categories from {start}, but the list of categories counts from {low}: most "
                    "objects would train as the class beside their own",
                    f"{shown(data.source)}: category_id of annotations",
                    f"{'add 1 to' if start < low else 'subtract 1 from'} category_id in all annotations",
                )


CHECKS = (background_class, placeholder_classes, similar_names, shifted_ids)


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _alike(data: CocoSet, code: str, names: list[str], problem: str) -> Finding:
    where = f"{shown(data.source)}: categories"
    fix = "give every class one category, and change category_id of its annotations"
    return Finding("warning", code, f"category {shown(names[0])} {problem}", where, fix)
