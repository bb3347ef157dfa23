"""Images as a detector sees them, made from random numbers."""

import torch
from detectron2.structures import Boxes, Instances

from retina_plugin.analysis.dense import DenseImage


def planted_image(seed: int, num_logits: int = 3, num_classes: int = 3, anchors: int = 400) -> DenseImage:
    """An image of 100 x 50 pixels, resized to twice that, with random logits and labels on two levels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, num_classes + 1, (anchors,), generator=generator)
    corners = torch.rand(anchors, 2, generator=generator) * 20
    sides = 16 + 250 * torch.rand(anchors, 2, generator=generator)
    boxes = torch.cat([corners, corners + sides], 1)
    objects = Instances((100, 200))
    objects.gt_boxes, objects.gt_classes = Boxes(boxes[:6]), torch.tensor([0, 0, 1, 2, 0, 0])
    return DenseImage(
        entry={"file_name": f"{seed}.png", "image_id": seed, "width": 100, "height": 50},
        image=torch.zeros(3, 100, 200),
        logits=3 * torch.randn(anchors, num_logits, generator=generator) - 2,
        deltas=torch.zeros(anchors, 4),
        labels=labels,
        boxes=boxes,
        anchors=boxes + 1,
        levels=(torch.arange(anchors) >= anchors // 3).long(),
        ground_truth=objects,
    )
