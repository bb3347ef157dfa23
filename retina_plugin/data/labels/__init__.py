"""Labels of PASCAL VOC and YOLO, converted to a COCO json."""

from .convert import as_coco_json
from .voc import is_voc

__all__ = ["as_coco_json", "is_voc"]
