"""Header of an image file, and statistics of its pixels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageStat

from ....data import DataError, read_image
from ....printable import first_line

_ORIENTATION = 0x0112  # tag of EXIF
_TURNED = range(5, 9)  # its values that exchange width and height
_THUMBNAIL = 16


@dataclass(frozen=True)
class Header:
    """The header of an image file.

    Attributes:
        size: width and height in pixels.
        mode: of PIL.
        orientation: of EXIF; 1 is upright.
        is_deep: whether channels have more than 8 bits.
        is_transparent: whether it has an alpha channel or a transparent colour.
    """

    size: tuple[int, int]
    mode: str
    orientation: int
    is_deep: bool
    is_transparent: bool

    @property
    def read_size(self) -> tuple[int, int]:
        """Width and height after the rotation that EXIF asks for."""
        return self.size[::-1] if self.orientation in _TURNED else self.size


@dataclass(frozen=True)
class Pixels:
    """Statistics by which images are compared.

    Attributes:
        digest: hash of all pixels and of the size.
        spread: largest standard deviation of a channel; images of equal brightness may differ in colour.
        dhash: (64,) whether grey grows from left to right between 9 x 8 areas, the difference hash of N. Krawetz
            ("Kind of Like That", 2013).
        thumbnail: (256,) grey levels of 16 x 16 areas, with mean 0 and length 1.
    """

    digest: str
    spread: float
    dhash: np.ndarray
    thumbnail: np.ndarray


def read_header(path: Path) -> Header | str:
    """The header of an image file, or why it cannot be read."""
    try:
        with Image.open(path) as image:
            deep = image.mode[0] in "IF" or ";16" in str(image.tile)
            transparent = "A" in image.mode or "transparency" in image.info
            orientation = image.getexif().get(_ORIENTATION, 1)
            is_turned = image.format == "TIFF" and orientation in _TURNED  # PIL has rotated the sizes of TIFFs
            size = image.size[::-1] if is_turned else image.size
            return Header(size, image.mode, orientation, deep, transparent)
    except Exception as e:  # PIL raises almost any error for damaged files
        return first_line(e)


def read_pixels(path: Path) -> Pixels | str:
    """The pixels of an image file as training reads them, or why it cannot be read."""
    try:
        pixels = read_image(path, "RGB")
    except DataError as e:
        return first_line(e)
    image = Image.fromarray(pixels)
    grey = image.convert("L")
    areas = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), int)
    small = np.asarray(grey.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX), float).ravel()
    small -= small.mean()
    digest = hashlib.sha1(np.ascontiguousarray(pixels))
    digest.update(str(pixels.shape).encode())
    length = max(float(np.linalg.norm(small)), 1e-9)
    return Pixels(
        digest.hexdigest(), max(ImageStat.Stat(image).stddev), (areas[:, 1:] > areas[:, :-1]).ravel(), small / length
    )


def evenly(items: Sequence[int], most: int) -> list[int]:
    """At most `most` of the items, at equal distances."""
    return [items[i * len(items) // most] for i in range(most)] if len(items) > most else list(items)
