"""Small scenes: objects and detections as lists, and what hotcoco says of their errors."""

import contextlib
import io

import hotcoco
import numpy as np
from pycocotools.coco import COCO

from retina_plugin.analysis.errors.results import match_results
from retina_plugin.evaluation import complete_annotations

CAT, DOG = 3, 7  # category ids, classes 0 and 1
BOX = (10, 10, 100, 100)


def truth_of(objects, num_images=None):
    """`objects` are (image, category, box XYWH) or with a fourth entry 1 for a crowd; images count from 1."""
    truth = COCO()
    num_images = num_images or max((o[0] for o in objects), default=1)
    truth.dataset = {
        "images": [{"id": i + 1, "width": 640, "height": 480, "file_name": f"{i + 1}.png"} for i in range(num_images)],
        "annotations": [
            {"id": n, "image_id": o[0], "category_id": o[1], "bbox": list(o[2]), "iscrowd": (*o, 0)[3]}
            for n, o in enumerate(objects, 1)
        ],
        "categories": [{"id": CAT, "name": "cat"}, {"id": DOG, "name": "dog"}],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    complete_annotations(truth)
    return truth


def detections_of(rows):
    """`rows` are (image, category, box XYWH, score)."""
    return [{"image_id": i, "category_id": c, "bbox": list(b), "score": s} for i, c, b, s in rows]


def scene(objects, rows, iou=0.5, num_images=None):
    return match_results(truth_of(objects, num_images), detections_of(rows), iou)


def random_scene(seed, num_images=6, crowds=False):
    """Objects, and detections near and far from them, of either class, without equal scores."""
    rng = np.random.default_rng(seed)
    objects, rows = [], []
    for image in range(1, num_images + 1):
        for _ in range(rng.integers(0, 6)):
            box = np.r_[rng.uniform(0, 200, 2), rng.uniform(20, 120, 2)]
            objects.append((image, int(rng.choice([CAT, DOG])), box, int(crowds and rng.random() < 0.2)))
            for _ in range(rng.integers(0, 4)):
                near = box + rng.normal(0, 0.2, 4) * np.r_[box[2:], box[2:]]
                rows.append((image, int(rng.choice([CAT, DOG])), np.maximum(near, 1), rng.random()))
        for _ in range(rng.integers(0, 3)):
            rows.append((image, CAT, np.r_[rng.uniform(0, 300, 2), rng.uniform(20, 120, 2)], rng.random()))
    return objects, rows


def with_hotcoco(objects, rows, iou=0.5, num_images=None):
    """hotcoco's `tide_errors`, whose values are shares, not percent."""
    found = detections_of([(i, c, np.asarray(b, float).tolist(), s) for i, c, b, s in rows])
    dataset = truth_of(objects, num_images).dataset
    for annotation in dataset["annotations"]:
        annotation["bbox"] = [float(x) for x in annotation["bbox"]]
    truth = hotcoco.COCO(dataset)
    evaluation = hotcoco.COCOeval(truth, truth.load_res(found), "bbox")
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    return evaluation.tide_errors(iou, 0.1)
