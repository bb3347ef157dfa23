"""The one reader of image files, for training, evaluation, prediction and drawings.

For 8 bits per channel it gives the pixels of Detectron2's reader, except for TIFFs with an EXIF orientation, which
Detectron2 rotates twice. Detectron2 clips images of more bits at 255 without a warning; here 16 bits are scaled to 8,
and pixels without a defined range are refused.
"""

import logging
import os
from pathlib import Path

import numpy as np
from detectron2.data.detection_utils import _apply_exif_orientation, convert_PIL_to_numpy
from detectron2.utils.file_io import PathManager
from PIL import Image, UnidentifiedImageError

from ..printable import first_line, shown
from .errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
logger = logging.getLogger(__name__)
_BITS_PER_SAMPLE, _WHITE_IS_ZERO, _LARGEST_SAMPLE = 258, 262, 281  # tags of TIFF
_LARGEST_OF_TIFF = {2**bits - 1 for bits in range(9, 16)}
_FULL_RANGE_FORMATS = ("PNG", "PPM")  # PIL reads their 16 bits as 32-bit integers (PNG only before version 11)
_folders_with_dark_images: set[Path] = set()


def read_image(path: str | Path, format: str | None = None) -> np.ndarray:
    """An image as (H, W, C) uint8 in a mode of PIL or "BGR", rotated according to its EXIF orientation.

    Grey images of 9 to 16 bits are scaled to 8 bits. Takes the arguments of `read_image` in Detectron2's
    `detection_utils`, and gives the same pixels for images of 8 bits.

    Raises:
        DataError: naming the file, if it is not a regular file, cannot be read, or has 32 bits per channel.
    """
    is_local = os.path.isfile(path)
    if not is_local and os.path.exists(path):
        raise DataError(f"cannot read image {shown(path)}: it is not a regular file")
    try:
        with open(path, "rb") if is_local else PathManager.open(str(path), "rb") as file:
            return _convert(Image.open(file), path, format)
    except DataError as e:
        raise DataError(f"cannot read image {shown(path)}: {e}") from e
    except MemoryError as e:
        raise DataError(f"cannot read image {shown(path)}: it needs more memory than there is") from e
    except UnidentifiedImageError as e:
        reason = "it is empty" if is_local and not os.path.getsize(path) else "its format is unknown"
        raise DataError(f"cannot read image {shown(path)}: {reason}") from e
    except FileNotFoundError as e:
        raise DataError(f"cannot read image {shown(path)}: it does not exist") from e
    except Exception as e:  # PIL raises almost any error for damaged files
        raise DataError(f"cannot read image {shown(path)}: {first_line(e)}") from e


def pixels_of(image: Image.Image, name: str | Path, format: str | None = None) -> np.ndarray:
    """The pixels of a PIL image, (H, W, C) uint8, as `read_image` reads them from a file; messages call it `name`.

    Raises:
        DataError: if the image cannot be read, or has 32 bits per channel.
    """
    try:
        return _convert(image, name, format)
    except DataError as e:
        raise DataError(f"cannot use {shown(name)}: {e}") from e
    except Exception as e:  # PIL reads files late, and raises almost any error for damaged ones
        raise DataError(f"cannot use {shown(name)}: {first_line(e)}") from e


def check_image_root(labels: str | Path, image_root: str | Path) -> None:
    """Raise DataError if the folder of the images of a json, or of other labels, is not there."""
    if not Path(image_root).is_dir():
        message = f"{shown(image_root)}, the image folder of {shown(labels)}, is not a folder"
        raise DataError(message, "image-folder-missing")


def _convert(image: Image.Image, path: str | Path, format: str | None) -> np.ndarray:
    is_deep = image.mode[0] in "IF" or ";16" in str(getattr(image, "tile", ""))  # only images of files have tiles
    largest = _largest_value(image) if is_deep else None
    inverted = largest and getattr(image, "tag_v2", {}).get(_WHITE_IS_ZERO) == 0
    if image.format == "TIFF":
        image.load()  # PIL rotates TIFFs when it loads them; Detectron2's function would rotate an unloaded one again
    image = _apply_exif_orientation(image)
    if largest and image.mode[0] == "I":
        image = _scale(image, largest, inverted, path)
    elif largest:  # several channels, of which PIL has kept the upper 8 bits
        _warn_if_dark(max(high for _, high in image.convert("RGB").getextrema()) * 256, path)
    return convert_PIL_to_numpy(image, format)


def _largest_value(image: Image.Image) -> int:
    """The value of white in an image of more than 8 bits per channel; DataError if it is not defined."""
    if image.mode == "F" or (image.mode == "I" and image.format not in _FULL_RANGE_FORMATS):
        kind = "floating point values" if image.mode == "F" else "integers of more than 16 bits, or with a sign"
        raise DataError(f"its pixels are {kind}, whose range is not defined: convert it to 8 or 16 bits per channel")
    tags = getattr(image, "tag_v2", {})
    declared = tags.get(_LARGEST_SAMPLE) or 2 ** tags.get(_BITS_PER_SAMPLE, (16,))[0] - 1
    declared = declared[0] if isinstance(declared, tuple) else declared
    return declared if declared in _LARGEST_OF_TIFF else 65535


def _scale(image: Image.Image, largest: int, inverted: bool, path: str | Path) -> Image.Image:
    """A grey image scaled to 8 bits; `inverted` says that 0 is white, which PIL handles only for 8 bits."""
    pixels = np.asarray(image).astype(np.uint32)
    highest = int(pixels.max())
    if highest > largest:  # the file is wrong about its values
        largest = 65535
    if largest == 65535:
        _warn_if_dark(highest, path)
    scaled = ((pixels * 255 + largest // 2) // largest).astype(np.uint8)
    return Image.fromarray(255 - scaled if inverted else scaled)


def _warn_if_dark(highest: int, path: str | Path) -> None:
    """Warn of an image of 16 bits whose values fit in 12 bits, once per folder."""
    folder = Path(path).parent
    if not 0 < highest < 4096 or folder in _folders_with_dark_images:
        return
    _folders_with_dark_images.add(folder)
    logger.warning(
        "image %s has 16 bits per channel, but no value above 4095. If its white is 4095, as in images of 12 bits, it "
        "is read 16 times too dark, and so may be others in this folder: multiply their values by 16",
        shown(path),
    )
