#!/usr/bin/env python
"""Planted label errors that this project, hotcoco and cleanlab (if installed) find on the same detections."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from retina_plugin.analysis.labels.evidence import Evidence
from retina_plugin.analysis.labels.find import AnnotatedSet, examine_images
from retina_plugin.analysis.labels.page import describe
from retina_plugin.analysis.labels.plant import Planted, planted_recall
from retina_plugin.analysis.labels.proposals import propose
from retina_plugin.data.json_file import read_json

Proposals = list[dict[str, Any]]


def of_retina_plugin(annotated: AnnotatedSet, images: Sequence[Evidence]) -> Proposals:
    """The proposals of find-label-errors, the strongest first."""
    return [describe(p, annotated) for p in propose(images, len(annotated.categories))]


def of_hotcoco(annotated: AnnotatedSet, images: Sequence[Evidence]) -> Proposals:
    """hotcoco's label errors of detections from a score of .3 on, the highest score first."""
    import hotcoco

    truth = [a | {"area": a["bbox"][2] * a["bbox"][3]} for a in annotated.content["annotations"]]
    truth = hotcoco.COCO(annotated.content | {"annotations": truth})
    rows = [
        (e.image_id, *_xywh(box), score, annotated.categories[label])
        for e in images
        for box, label, score in zip(e.boxes, e.classes, e.scores, strict=True)
    ]
    found = truth.load_res(np.array(rows, float))
    evaluation = hotcoco.COCOeval(truth, found, "bbox")
    evaluation.evaluate()
    boxes = {a["id"]: a["bbox"] for a in found.dataset["annotations"]}
    errors = sorted(evaluation.image_diagnostics(score_thr=0.3)["label_errors"], key=lambda x: -x["dt_score"])
    kinds = {"wrong_label": "wrong class", "missing_annotation": "missing"}
    return [_proposal(kinds[x["type"]], x["image_id"], x["gt_id"], boxes[x["dt_id"]]) for x in errors]


def of_cleanlab(annotated: AnnotatedSet, images: Sequence[Evidence]) -> Proposals:
    """cleanlab's overlooked, swapped and badly located boxes, the lowest quality first."""
    from cleanlab.object_detection import rank

    ranked = []
    for e in (e for e in images if len(e.boxes) and len(e.truth)):  # cleanlab stops at others
        labels = [{"bboxes": e.truth.astype(float), "labels": e.labels}]
        own = [np.flatnonzero(e.classes == k) for k in range(len(annotated.categories))]
        found = [[np.column_stack([e.boxes[d], e.scores[d]]).reshape(-1, 5) for d in own]]
        kwargs = {"labels": labels, "predictions": found}
        missing = rank.compute_overlooked_box_scores(**kwargs, high_probability_threshold=0.3)[0]
        for quality, d in zip(missing, np.concatenate(own), strict=True):
            if not np.isnan(quality):
                ranked.append((quality, _proposal("missing", e.image_id, None, _xywh(e.boxes[d]))))
        moved = rank.compute_badloc_box_scores(**kwargs)[0]
        swapped = rank.compute_swap_box_scores(**kwargs, high_probability_threshold=0.3)[0]
        for a, *both in zip(e.annotations, moved, swapped, strict=True):
            kind = ("misplaced", "wrong class")[int(np.argmin(both))]
            ranked.append((min(both), _proposal(kind, e.image_id, a["id"], None)))
    return [proposal for _, proposal in sorted(ranked, key=lambda x: x[0])]


def _proposal(kind: str, image_id: Any, annotation_id: int | None, box: Sequence[float] | None) -> dict[str, Any]:
    return {"kind": kind, "image_id": image_id, "annotation_id": annotation_id, "new_bbox": box}


def _xywh(box: np.ndarray) -> list[float]:
    return [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]


def main(run: str, faults: str) -> None:
    """Print how many of N planted faults are among the first 2 N proposals of each program."""
    planted = [Planted(**entry) for entry in read_json(faults)]
    annotated, images = examine_images(run)
    rows = []
    for find in (of_retina_plugin, of_hotcoco, of_cleanlab):
        try:
            proposals = find(annotated, images)[: 2 * len(planted)]
        except ImportError as e:
            print(f"{find.__name__}: {e}", file=sys.stderr)
            continue
        counts = {row["fault"]: f"{row['found']} of {row['planted']}" for row in planted_recall(planted, proposals)}
        rows.append({"proposals": find.__name__[3:], "listed": len(proposals)} | counts)
    print(tabulate(rows, headers="keys"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a run that was trained on what plant-label-errors wrote")
    parser.add_argument("faults", help="faults.json of plant-label-errors")
    args = parser.parse_args()
    main(args.run, args.faults)
