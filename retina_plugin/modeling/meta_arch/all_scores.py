"""Inference without a score threshold, as fast as with one."""

import torch
from detectron2.modeling.meta_arch import RetinaNet
from detectron2.structures import Boxes, Instances
from torch import Tensor


class AllScoresRetinaNet(RetinaNet):
    """Detectron2's RetinaNet with a faster choice of candidates where the score threshold is 0.

    At 800 x 1344 with 80 classes this takes about a third of the time of upstream's choice, which lists the
    places of all scores before it takes the highest. The candidates are the same; of equal scores at the limit, others
    may be taken.
    """

    def _decode_per_level_predictions(
        self,
        anchors: Boxes,
        pred_scores: Tensor,
        pred_deltas: Tensor,
        score_thresh: float,
        topk_candidates: int,
        image_size: tuple[int, int],
    ) -> Instances:
        """Overrides upstream so that without a threshold the highest scores of a level (Ri, K) are taken first."""
        if score_thresh > 0 or torch.jit.is_tracing():
            return super()._decode_per_level_predictions(
                anchors, pred_scores, pred_deltas, score_thresh, topk_candidates, image_size
            )
        scores, places = pred_scores.flatten().topk(min(pred_scores.numel(), topk_candidates))
        is_above = scores > score_thresh
        scores, places = scores[is_above], places[is_above]
        rows = torch.div(places, pred_scores.shape[1], rounding_mode="floor")
        boxes = self.box2box_transform.apply_deltas(pred_deltas[rows], anchors.tensor[rows])
        classes = places % pred_scores.shape[1]
        return Instances(image_size, pred_boxes=Boxes(boxes), scores=scores, pred_classes=classes)
