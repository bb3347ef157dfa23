"""Images with boxes that tests choose."""

from collections.abc import Sequence

import torch
from detectron2.structures import Boxes, BoxMode, Instances

from retina_plugin.analysis.anchors.boxes import BoxImage


def image_with(
    boxes: Sequence[Sequence[float]], classes: Sequence[int], size: tuple[int, int] = (128, 128)
) -> BoxImage:
    """An image that is not resized, with XYXY boxes."""
    instances = Instances(size, gt_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)))
    instances.gt_classes = torch.tensor(classes, dtype=torch.int64)
    annotations = [
        {"bbox": list(box), "bbox_mode": BoxMode.XYXY_ABS, "category_id": c}
        for box, c in zip(boxes, classes, strict=True)
    ]
    entry = {"file_name": "none.png", "height": size[0], "width": size[1], "annotations": annotations}
    return BoxImage(entry, size, instances, instances.gt_boxes.area())
