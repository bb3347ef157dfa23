"""Detectron2's DatasetMapper, with errors that name the image."""

from typing import Any

from detectron2.data import DatasetMapper

from .coco_check import DataError


class CheckedDatasetMapper(DatasetMapper):
    """Overrides DatasetMapper so that the error for an unreadable image names its file."""

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """The model's input for one dataset dict; DataError if its image is missing, truncated, or not an image."""
        try:
            return super().__call__(dataset_dict)
        except (OSError, SyntaxError) as e:  # what PIL raises for files it cannot read
            raise DataError(f"cannot read image {dataset_dict['file_name']}: {e}") from e
