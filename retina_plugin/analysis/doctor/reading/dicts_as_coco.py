"""Data sets without a json, such as Pascal VOC, in COCO's format."""

from typing import Any

from detectron2.data import MetadataCatalog
from detectron2.structures import BoxMode


def dicts_as_coco(dicts: list[dict[str, Any]], name: str) -> dict[str, list[Any]]:
    """Detectron2's dataset dicts as the content of a COCO json; ids of images and categories count from 0."""
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
