"""Boxes and ids that training and evaluation would take differently."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from detectron2.data import DatasetCatalog
from detectron2.structures import Boxes, Instances
from hostile.data_json import changed, coco, ensure, every, load, load_try, write
from hostile.tries import Try

from retina_plugin.data import CheckedDatasetMapper, build_train_loader, register_coco
from retina_plugin.evaluation import COCOEvaluator

BOXES = "boxes that training and evaluation take differently are refused or warned about"


def box_tries() -> Iterator[Try]:
    yield from _box_tries()
    yield from _id_tries()


def _warned(content: Any, message: str) -> Callable[[Path], None]:
    """Loads the data, and asserts that a warning matches."""

    def act(folder: Path) -> None:
        records: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: records.append(record.getMessage())
        logger = logging.getLogger("retina_plugin.data.coco_json.entries")
        logger.addHandler(handler)
        load(folder)
        ensure(any(message in said for said in records), records)

    return act


def _warn(name: str, content: dict[str, Any], message: str) -> Try:
    return Try(BOXES, name, lambda folder: write(folder, content), _warned(content, message))


def _train(folder: Path) -> None:
    """As training begins."""
    mapper = CheckedDatasetMapper(is_train=True, augmentations=[], image_format="BGR")
    next(iter(build_train_loader(load(folder), mapper=mapper, total_batch_size=2, seed=0)))


def _box_tries() -> Iterator[Try]:
    def refuse(name: str, content: dict[str, Any], message: str) -> Try:
        return load_try(name, content, message, BOXES)

    for name, box in {
        "a string": "1 2 3 4",
        "null": None,
        "empty": [],
        "of 3": [1, 2, 3],
        "of 5": [1, 2, 3, 4, 5],
        "nested": [[1, 2, 3, 4]],
        "of strings": ["1", "2", "3", "4"],
        "with null": [1, 2, 3, None],
        "with true": [1, 2, 3, True],
        "a mapping": {"x": 1, "y": 2, "w": 3, "h": 4},
    }.items():
        yield refuse(f"box {name}", changed("annotations", 3, bbox=box), "annotation 4 has bbox.*four finite numbers")
    yield refuse("no box", changed("annotations", 3, "bbox"), "annotation 4 is an entry without 'bbox'")
    yield refuse("negative width", changed("annotations", 3, bbox=[9, 9, -3, 3]), "annotation 4 has bbox.*negative")
    yield refuse("negative heights", every(bbox=[9, 9, 3, -3]), r"annotation 1 \(and 11 others\) has bbox.*negative")
    yield refuse(
        "corners", every(bbox=lambda a: [20 + a["id"], 20, 50, 40]), "12 of 12 boxes .* corners x1, y1, x2, y2"
    )
    yield refuse("fractions", every(bbox=[0.2, 0.3, 0.2, 0.4]), "12 of 12 boxes are fractions of the image")
    yield refuse("boxes of larger images", every(bbox=[150, 90, 60, 60]), "12 of 12 boxes end far beyond")
    corners = [[x, y, x + 12, y + 9] for x, y in zip(range(2, 50, 4), range(3, 38, 3), strict=True)]
    content = every(bbox=lambda a: corners[a["id"] - 1])
    yield refuse("corners everywhere in the image", content, "5 of 12 boxes .*corners")
    for name, value in {"negative": -1, "a string": "72", "true": True, "a list": [72], "1e11": 1e11}.items():
        yield refuse(f"area {name}", changed("annotations", 5, area=value), "annotation 6 has area")
    for name, value in {"2": 2, "-1": -1, "null": None, "a string": "0", "a half": 0.5, "a list": [0]}.items():
        yield refuse(f"iscrowd {name}", changed("annotations", 5, iscrowd=value), "annotation 6 has iscrowd")
    yield _warn(
        "zero width", changed("annotations", 3, bbox=[9, 9, 0, 3]), "annotation 4 has bbox [9, 9, 0, 3]: it counts"
    )
    yield _warn("outside its image", changed("annotations", 3, bbox=[99, 9, 9, 9]), "outside its image")
    yield _warn("mostly outside", changed("annotations", 3, bbox=[60, 9, 40, 9]), "less than half")
    yield _warn("left of its image", changed("annotations", 3, bbox=[-40, 9, 20, 9]), "outside its image")
    for name, value in {
        "of 4 values": [[1, 2, 3, 4]],
        "empty inside": [[]],
        "odd": [[1, 2, 3, 4, 5, 6, 7]],
        "text": "abc",
    }.items():
        content = changed("annotations", 3, segmentation=value)
        yield _warn(f"polygon {name}", content, "annotation 4 has segmentation")
    yield _warn("area 0", changed("annotations", 3, area=0), "annotation 4 has area 0: it counts as a small object")
    yield _warn("two categories of one name", changed("categories", 1, name="cell"), "as an earlier category has")
    yield load_try("area null", changed("annotations", 3, area=None), None, BOXES)
    yield load_try("segmentation empty", every(segmentation=[]), None, BOXES)
    yield load_try("iscrowd false", every(iscrowd=False), None, BOXES)
    yield load_try("boxes a pixel beyond the image", every(bbox=[50, 20, 15, 29]), None, BOXES)
    yield load_try(
        "one box over the whole image",
        coco(annotations=[coco()["annotations"][0] | {"bbox": [0, 0, 64, 48]}]),
        None,
        BOXES,
    )
    for name, content in {
        "no box": coco(annotations=[]),
        "only crowds": every(iscrowd=1),
        "only bad polygons": every(segmentation=[[1, 2]]),
    }.items():
        yield Try(
            BOXES,
            f"training without an object: {name}",
            lambda f, c=content: write(f, c),
            _train,
            "has an object to learn from",
        )
    yield Try(BOXES, "an image without an object", lambda f: write(f, coco(count=1)), _train)


def perfect_ap(folder: Path) -> float:
    """AP of a detector that finds every box."""
    name = register_coco(folder / "instances.json", folder / "images")
    entries = DatasetCatalog.get(name)
    evaluator = COCOEvaluator(name, tasks=["bbox"], distributed=False, use_fast_impl=False)
    evaluator.reset()
    for entry in entries:
        boxes = torch.tensor([a["bbox"] for a in entry["annotations"]], dtype=torch.float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        found = Instances((entry["height"], entry["width"]), pred_boxes=Boxes(boxes), scores=torch.ones(len(boxes)))
        found.pred_classes = torch.tensor([a["category_id"] for a in entry["annotations"]], dtype=torch.long)
        evaluator.process([entry], [{"instances": found}])
    return evaluator.evaluate()["bbox"]["AP"]


def _id_tries() -> Iterator[Try]:
    def act(folder: Path) -> None:
        before = (folder / "instances.json").read_bytes()
        ap = perfect_ap(folder)
        ensure(ap > 99.99, f"a perfect detector has AP {ap}")
        assert before == (folder / "instances.json").read_bytes(), "the json changed"

    numbers = {
        "from 0": lambda a: a["id"] - 1,
        "negative": lambda a: -a["id"],
        "around 0": lambda a: a["id"] - 6,
        "beyond 2**53": lambda a: 2**53 + a["id"],
        "sparse": lambda a: 1000 * a["id"],
    }
    for name, number in numbers.items():
        yield Try(BOXES, f"annotation ids {name}", lambda f, n=number: write(f, every(id=n)), act)
    yield Try(BOXES, "areas null", lambda f: write(f, every(area=None)), act)
    named = coco()
    for entry, key in [(i, "id") for i in named["images"]] + [(a, "image_id") for a in named["annotations"]]:
        entry[key] = f"image {entry[key]}"
    yield Try(BOXES, "image ids that are strings", lambda f: write(f, named), act)
    zero = every(category_id=lambda a: a["category_id"] - 1)
    zero["categories"] = [{"id": 0, "name": "cell"}, {"id": 1, "name": "dust"}]
    yield Try(BOXES, "category ids from 0", lambda f: write(f, zero), act)
