"""Ground truth in pycocotools' form, from json files and from dataset dicts."""

import contextlib
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from detectron2.structures import Boxes, BoxMode
from pycocotools.coco import COCO
from torchvision.ops import box_convert

_LARGEST_ID = 2**53  # pycocotools keeps ids in floating point


def read_truth(json_file: str) -> COCO:
    """The ground truth of a COCO json, with complete annotations."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(json_file)
    complete_annotations(truth)
    return truth


def complete_annotations(truth: COCO) -> None:
    """Fill in what pycocotools needs and many json files lack, in memory.

    A missing `area` becomes the box area, a missing `iscrowd` 0. All ids are numbered anew from 1 if one of them is
    less than 1, 2^53 or more, or not an integer: pycocotools takes a match with annotation 0 for no match.
    """
    annotations = list(truth.anns.values())
    for annotation in annotations:
        if annotation.get("area") is None:
            _, _, width, height = annotation["bbox"]
            annotation["area"] = width * height
        annotation.setdefault("iscrowd", 0)
    if not all(isinstance(i, int) and 0 < i < _LARGEST_ID for i in truth.anns):
        for number, annotation in enumerate(annotations, 1):
            annotation["id"] = number
        with contextlib.redirect_stdout(io.StringIO()):
            truth.createIndex()


def by_image(entries: Iterable[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    """COCO annotations or detections by image id; an empty list for an image without any."""
    found = defaultdict(list)
    for entry in entries:
        found[entry["image_id"]].append(entry)
    return found


def boxes_of(entries: Sequence[dict[str, Any]]) -> Boxes:
    """(n, 4) boxes of COCO annotations or detections, whose "bbox" is XYWH."""
    boxes = torch.tensor([e["bbox"] for e in entries], dtype=torch.float32).reshape(-1, 4)
    return Boxes(box_convert(boxes, "xywh", "xyxy"))


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
