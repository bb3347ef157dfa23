"""Labels that are not a COCO json: folders of PASCAL VOC and YOLO, read into one."""

from .convert import as_coco_json
from .voc import is_voc

__all__ = ["as_coco_json", "is_voc"]
