"""A clean data set, and functions that damage it, each in one way."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from retina_plugin.data import register_coco

SIZE = 64
DAMAGES: dict[str, tuple[Callable, str]] = {}
"""By name: a function that damages a `Data`, and the code that the doctor must report."""


class Data:
    """Contents of two json files and the folder of their images, before they are registered."""

    def __init__(self, clean: Path, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(clean, folder)
        self.train, self.val = (json.loads((folder / f"{split}.json").read_text()) for split in ("train", "val"))
        self.text: str | None = None  # in place of the training data's content
        self.wishes: list[str] = []  # of the test: "missing" removes the json, "shrink" resizes to 8 pixels

    def image(self, place: int = 0, split: str = "train") -> Path:
        return self.folder / "images" / getattr(self, split)["images"][place]["file_name"]

    def boxes(self, change: Callable[[list[float]], list[float]], every: int = 1) -> None:
        """Change the box of every n-th training annotation."""
        for a in self.train["annotations"][::every]:
            a["bbox"] = change(a["bbox"])

    def add_box(self, **keys) -> None:
        annotations = self.train["annotations"]
        annotations.append(copy.deepcopy(annotations[0]) | {"id": 1000 + len(annotations)} | keys)

    def register(self) -> tuple[str, str]:
        """Write both files; the names of the two data sets."""
        (self.folder / "train.json").write_text(json.dumps(self.train) if self.text is None else self.text)
        (self.folder / "val.json").write_text(json.dumps(self.val))
        return tuple(register_coco(self.folder / f"{s}.json", self.folder / "images") for s in ("train", "val"))


def write_clean(folder: Path, seed=0, first_id=1, low=8, high=20, objects=4, number=8) -> Path:
    """Training images of noise and half as many for tests, boxes of `low` to `high` pixels, two classes; the folder."""
    rng = np.random.RandomState(seed)
    (folder / "images").mkdir(parents=True)
    for split, count in (("train", number), ("val", number // 2)):
        images, annotations = [], []
        for i in range(1, count + 1):
            name = f"{split}{i}.png"
            areas = Image.fromarray(rng.randint(0, 255, (8, 8, 3)).astype(np.uint8))
            areas.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(folder / "images" / name)
            images.append({"id": i, "file_name": name, "width": SIZE, "height": SIZE})
            for k in range(objects):
                width, height = (int(x) for x in rng.randint(low, high + 1, 2))
                x, y = int(rng.randint(0, SIZE - width + 1)), int(rng.randint(0, SIZE - height + 1))
                annotation = {"image_id": i, "category_id": first_id + k % 2, "bbox": [x, y, width, height]}
                annotations.append(annotation | {"id": len(annotations) + 1, "iscrowd": 0, "area": width * height})
        categories = [{"id": first_id, "name": "cell"}, {"id": first_id + 1, "name": "dust"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder


def damage(code: str, name: str = "") -> Callable[[Callable], Callable]:
    """Add a function to the table, under its own name."""

    def add(function: Callable) -> Callable:
        DAMAGES[name or function.__name__] = (function, code)
        return function

    return add
