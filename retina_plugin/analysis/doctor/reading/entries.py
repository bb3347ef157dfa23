"""Entries of data sets that training would refuse, or that have no json."""

from collections.abc import Collection, Hashable
from typing import Any

from detectron2.data import MetadataCatalog
from detectron2.structures import BoxMode

from ....data.coco_json.check import leaves_folder
from ....data.coco_json.entries import is_finite


def is_usable_image(image: dict[str, Any], allow_outside: bool) -> bool:
    """Whether an image has an id, a size, and a file name, which leaves the image folder only if `allow_outside`."""
    name, size = image.get("file_name"), (image.get("width"), image.get("height"))
    if not (isinstance(image.get("id"), int | str) and isinstance(name, str) and name and "\0" not in name):
        return False
    return all(is_finite(s) and s > 0 for s in size) and (allow_outside or not leaves_folder(name))


def is_usable_annotation(annotation: dict[str, Any], image_ids: Collection[Any], category_ids: Collection[int]) -> bool:
    """Whether an annotation is of one of these images and categories, with a box of four finite numbers."""
    box = annotation.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(map(is_finite, box))):
        return False
    known = ((annotation.get("image_id"), image_ids), (annotation.get("category_id"), category_ids))
    return all(isinstance(value, Hashable) and value in ids for value, ids in known)


def dicts_as_coco(dicts: list[dict[str, Any]], name: str) -> dict[str, list[Any]]:
    """Detectron2's dataset dicts, such as Pascal VOC's, as the content of a COCO json; ids count from 0."""
    annotations = [
        {
            "id": f"{place} of image {d.get('image_id', d['file_name'])}",
            "image_id": number,
            "category_id": a["category_id"],
            "bbox": [float(x) for x in BoxMode.convert(list(a["bbox"]), a["bbox_mode"], BoxMode.XYWH_ABS)],
            "iscrowd": a.get("iscrowd", 0),
        }
        for number, d in enumerate(dicts)
        for place, a in enumerate(d.get("annotations", ()), 1)
    ]
    images = [{"id": n, **{k: d.get(k) for k in ("file_name", "width", "height")}} for n, d in enumerate(dicts)]
    categories = [{"id": i, "name": c} for i, c in enumerate(MetadataCatalog.get(name).thing_classes)]
    return {"images": images, "annotations": annotations, "categories": categories}
