"""Labels that are not a COCO json: folders of PASCAL VOC and YOLO, read into one."""

from .convert import as_coco_json

__all__ = ["as_coco_json"]
