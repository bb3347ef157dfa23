"""Split a COCO data set into two parts without common images, for choices that must not use the test data."""

import hashlib
from pathlib import Path
from typing import Any

from ..files import cache_folder, write_json
from ..printable import shown
from .coco import dataset_metadata, register_coco
from .coco_json.check import check_coco_content
from .errors import DataError
from .json_file import read_json

PARTS = ("held_out", "rest")


def register_split(dataset: str, part: str, share: float = 0.2, root: str | None = None) -> str:
    """Write a part of a registered COCO data set as a json file unless it exists, register it, and return its name.

    An image is in part "held_out" if the hash of its id, as a number from 0 to 1, is below `share`; otherwise in
    "rest". So an image stays in its part when others are added. Images that show the same scene are not kept together.
    The json is in `root`, by default $RETINA_PLUGIN_CACHE or ~/.cache/retina_plugin; the images stay where they are.

    Raises:
        DataError: if the data set has no COCO json, the part has no image, or `part` or `share` is not valid.
    """
    if part not in PARTS or not 0 < share < 1:
        raise DataError(f"part must be one of {PARTS} and share between 0 and 1, got {part!r} and {share}")
    metadata = dataset_metadata(dataset).as_dict()
    if "json_file" not in metadata or "image_root" not in metadata:
        raise DataError(f"data set {dataset!r} has no COCO json that can be split")
    source = Path(metadata["json_file"])
    content = read_json(source)
    check_coco_content(content, shown(source), metadata.get("allow_outside", False))
    content = _part_of(content, part, share)
    if not content["images"]:
        raise DataError(f"{source}: share={share} leaves no image in part {part!r}")
    key = hashlib.sha256(source.read_bytes() + f"{part} {share}".encode()).hexdigest()[:10]
    path = cache_folder(root) / f"split_{part}_{key}" / "instances.json"
    if not path.is_file():
        write_json(path, content)
    allow_outside = metadata.get("allow_outside", False)
    return register_coco(path, metadata["image_root"], f"{dataset}_{part}_{key}", allow_outside=allow_outside)


def _part_of(content: dict[str, Any], part: str, share: float) -> dict[str, Any]:
    images = [image for image in content["images"] if (_place(image["id"]) < share) == (part == "held_out")]
    ids = {image["id"] for image in images}
    return content | {"images": images, "annotations": [a for a in content["annotations"] if a["image_id"] in ids]}


def _place(image_id: Any) -> float:
    """A number in [0, 1) that depends on the id only."""
    return int(hashlib.sha256(str(image_id).encode()).hexdigest()[:12], 16) / 16**12
