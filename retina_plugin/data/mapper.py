"""Detectron2's DatasetMapper, with the reader of this package and errors that name the image."""

import functools
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
from detectron2.data import DatasetMapper, dataset_mapper, detection_utils
from PIL import Image

from ..printable import first_line, shown
from .errors import DataError
from .image_reader import read_image


def _check_image_size(dataset_dict: dict[str, Any], image: np.ndarray) -> None:
    try:
        detection_utils.check_image_size(dataset_dict, image)
    except detection_utils.SizeMismatchError as e:
        (height, width), said = image.shape[:2], (dataset_dict["width"], dataset_dict["height"])
        turned = ", exchanged or from before the rotation in the EXIF data" if said == (height, width) else ""
        raise DataError(
            f"image {shown(dataset_dict['file_name'])} has {width} x {height} pixels, but its entry in the json says "
            f"{said[0]} x {said[1]}{turned}: correct the entry and check the boxes of this image"
        ) from e


# DatasetMapper reads and checks images with functions of its module. Here its code runs with two of them replaced;
# upstream's module does not change.
_utils = types.SimpleNamespace(
    **vars(detection_utils) | {"read_image": read_image, "check_image_size": _check_image_size}
)
_map = types.FunctionType(DatasetMapper.__call__.__code__, vars(dataset_mapper) | {"utils": _utils})


class CheckedDatasetMapper(DatasetMapper):
    """Overrides DatasetMapper so that images of 16 bits are scaled, and errors name the image."""

    @functools.wraps(DatasetMapper.__init__)  # with its signature, by which configs are checked
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _check_format(self.image_format)

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """The model's input for one dataset dict.

        Raises:
            DataError: if its image cannot be read (see `read_image`), has another size than its entry says, or cannot
                be augmented.
        """
        try:
            return _map(self, dataset_dict)
        except DataError:
            raise
        except (ValueError, AssertionError, ZeroDivisionError) as e:  # from augmentations, such as a resize to 0 pixels
            name = shown(dataset_dict["file_name"])
            raise DataError(f"image {name} cannot be resized or augmented: {first_line(e)}") from e


def _check_format(image_format: str | None) -> None:
    """ValueError for a format to which no image can be converted; otherwise each image would seem to be at fault."""
    try:
        detection_utils.convert_PIL_to_numpy(Image.new("RGB", (1, 1)), image_format)
    except (ValueError, TypeError, AttributeError) as e:
        raise ValueError(
            f"image_format of a mapper in dataloader must be BGR, RGB, L or another mode of PIL, got {image_format!r}: "
            "it is model.input_format unless you set dataloader.train.mapper.image_format or that of dataloader.test"
        ) from e


def largest_edge(short_edge: Sequence[int]) -> int:
    """The largest of the short edges, in pixels, that training chooses from; DataError if there is none."""
    if not short_edge:
        raise DataError("data.short_edge needs at least one length, in pixels")
    return max(short_edge)
