"""Find, read and write image files."""

import glob
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

import cv2
import numpy as np
from detectron2.data.detection_utils import read_image

from ..data import DataError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


def find_images(inputs: Sequence[str]) -> list[Path]:
    """Image files named by `inputs`, which are files, folders or glob patterns, without repeats.

    Raises:
        DataError: for an input without images.
    """
    found: dict[Path, None] = {}
    for name in inputs:
        if Path(name).is_dir():
            paths = sorted(p for p in Path(name).iterdir() if p.suffix.lower() in _SUFFIXES)
        else:
            paths = [Path(name)] if Path(name).is_file() else sorted(map(Path, glob.glob(name, recursive=True)))
        if not paths:
            raise DataError(f"{name} is neither an image nor a folder with images, and matches no file")
        found.update(dict.fromkeys(paths))
    return list(found)


def drawing_names(paths: Sequence[str | Path]) -> list[str]:
    """A .png name for every image: its stem, followed by a number if an earlier image has the same name."""
    names: dict[str, None] = {}
    for stem in (Path(path).stem for path in paths):
        candidates = chain([f"{stem}.png"], (f"{stem}_{number}.png" for number in count(2)))
        names[next(name for name in candidates if name not in names)] = None
    return list(names)


def read_rgb(path: str | Path) -> np.ndarray:
    """An image as (H, W, 3) RGB uint8, rotated according to its EXIF orientation; raises DataError if unreadable."""
    try:
        return read_image(str(path), format="RGB")
    except (OSError, SyntaxError, ValueError) as e:
        raise DataError(f"cannot read image {path}: {e}") from e


def write_rgb(path: Path, image: np.ndarray) -> None:
    """Write an RGB image in the format of the name's suffix; raises OSError if that is not possible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(path.suffix, image[:, :, ::-1])
    if not done:
        raise OSError(f"cannot write {path}")
    path.write_bytes(data.tobytes())
