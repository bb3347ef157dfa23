"""A generated data set: filled shapes among outlined ones, the same pixels on every machine.

The filled shapes are the objects. The outlined ones are clutter: they resemble the objects and are not annotated, so
that negatives are many and some of them hard. Only integers and numpy's frozen RandomState are used.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...files import cache_folder
from ..coco import register_coco
from ..errors import DataError
from .shapes import SHAPES, paint_scene

_VERSION = 1  # version of the pixels; a new version is generated in new folders


@dataclass(frozen=True)
class SyntheticSettings:
    """Settings of the images. Ranges include both ends; sizes are in pixels. DataError for an invalid value."""

    seed: int = 0
    image_size: int = 192
    objects: tuple[int, int] = (1, 3)
    object_size: tuple[int, int] = (10, 48)
    clutter: tuple[int, int] = (16, 32)
    noise: int = 28

    def __post_init__(self) -> None:
        for name, lowest in (("objects", 0), ("clutter", 0), ("object_size", 8)):
            value = getattr(self, name)
            pair = tuple(value) if isinstance(value, Sequence) else (value,)
            if len(pair) != 2 or not all(type(x) is int for x in pair) or not lowest <= pair[0] <= pair[1]:
                raise DataError(f"synthetic.{name}={value}: must be [low, high], integers with {lowest} <= low <= high")
            object.__setattr__(self, name, pair)
        for name, highest in (("seed", 2**32 - 1), ("image_size", 2**16), ("noise", 60)):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= highest:
                raise DataError(f"synthetic.{name}={value}: must be an integer from 0 to {highest}")
        if self.object_size[1] > self.image_size:
            raise DataError(
                f"synthetic.object_size={list(self.object_size)} does not fit synthetic.image_size={self.image_size}"
            )


def register_synthetic(
    split: str,
    num_images: int,
    settings: Mapping[str, Any] | None = None,
    root: str | None = None,
    dials: Mapping[str, Any] | None = None,
) -> str:
    """Generate a split of the data set unless it exists, register it, and return its name.

    Splits of different names share no image. `settings` has the fields of `SyntheticSettings` that differ from their
    defaults; `dials` is its former name, which configs of earlier runs use. The files are in `root`, by default
    $RETINA_PLUGIN_CACHE or ~/.cache/retina_plugin. Raises DataError for an unknown setting or one out of range.
    """
    if dials is not None and settings is not None:
        raise DataError("register_synthetic: dials is the former name of settings; give only settings")
    given = dict(settings or dials or {})
    known = {field.name for field in fields(SyntheticSettings)}
    if unknown := sorted(given.keys() - known):
        raise DataError(f"synthetic has no setting {unknown}; there are {', '.join(sorted(known))}")
    if num_images < 1:
        raise DataError(f"register_synthetic: num_images={num_images} must be 1 or more")
    chosen = SyntheticSettings(**given)
    key = json.dumps([_VERSION, split, num_images, asdict(chosen)])
    name = f"synthetic_{split}_{num_images}_{hashlib.sha256(key.encode()).hexdigest()[:10]}"
    folder = cache_folder(root) / name
    if not folder.is_dir():
        _make(folder, split, num_images, chosen)
    return register_coco(folder / "instances.json", folder / "images", name=name)


def _make(folder: Path, split: str, num_images: int, settings: SyntheticSettings) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as scratch:
        made = Path(scratch, "made")  # with usual permissions, unlike `scratch`: others may share the cache
        (made / "images").mkdir(parents=True)
        _paint(made, split, num_images, settings)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster
                raise


def _paint(folder: Path, split: str, num_images: int, settings: SyntheticSettings) -> None:
    images, annotations = [], []
    split_seed = int(hashlib.sha256(split.encode()).hexdigest()[:8], 16)
    for i in range(1, num_images + 1):
        rng = np.random.RandomState([settings.seed, split_seed, i])
        pixels, objects = paint_scene(rng, settings)
        name = f"{i:06d}.png"
        images.append({"id": i, "file_name": name, "width": settings.image_size, "height": settings.image_size})
        Image.fromarray(pixels).save(folder / "images" / name)
        for found in objects:
            annotations.append(found | {"id": len(annotations) + 1, "image_id": i, "iscrowd": 0})
    categories = [{"id": i, "name": name} for i, name in enumerate(SHAPES, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
