"""Ground truth in pycocotools' form, from dataset dicts."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from detectron2.structures import BoxMode
from pycocotools.coco import COCO


def truth_of(entries: Sequence[dict[str, Any]], image_ids: Sequence[Any], num_classes: int) -> COCO:
    """The annotations of dataset dicts, crowds included, as a COCO object; areas are those of boxes.

    `image_ids` has the id of each entry. Category ids are the labels 0..K-1.
    """
    annotations = [(i, a) for i, entry in zip(image_ids, entries, strict=True) for a in entry.get("annotations", ())]
    boxes = [list(BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYWH_ABS)) for _, a in annotations]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i} for i in image_ids],
        "categories": [{"id": i, "name": str(i)} for i in range(num_classes)],
        "annotations": [
            {
                "id": number,
                "image_id": image_id,
                "category_id": a["category_id"],
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": a.get("iscrowd", 0),
            }
            for number, ((image_id, a), box) in enumerate(zip(annotations, boxes, strict=True), 1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth
