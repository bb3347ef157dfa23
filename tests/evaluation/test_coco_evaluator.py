import json
import math

import torch
from detectron2.data import DatasetCatalog
from detectron2.structures import Boxes, Instances

from retina_plugin.data import register_synthetic
from retina_plugin.evaluation import COCOEvaluator


def evaluate(tmp_path, detect, img_ids=None, **kwargs):
    """Metrics of `detect`, a function from a data set entry to boxes (P, 4) and classes (P,)."""
    name = register_synthetic("val", 6, {"image_size": 96, "object_size": [12, 28]}, str(tmp_path))
    evaluator = COCOEvaluator(name, tasks=["bbox"], **kwargs)
    evaluator.reset()
    for entry in DatasetCatalog.get(name):
        boxes, classes = detect(entry)
        found = Instances((96, 96), pred_boxes=Boxes(boxes), pred_classes=classes)
        found.scores = torch.ones(len(found))
        evaluator.process([entry], [{"instances": found}])
    return evaluator.evaluate(img_ids)["bbox"]


def test_the_truth_has_full_marks(tmp_path):
    def truth(entry):
        boxes = torch.tensor([a["bbox"] for a in entry["annotations"]], dtype=torch.float)
        boxes[:, 2:] += boxes[:, :2]
        return boxes, torch.tensor([a["category_id"] for a in entry["annotations"]])

    metrics = evaluate(tmp_path, truth)
    assert metrics["AP"] > 99.99 and math.isnan(metrics["APl"])


def nothing(entry):
    return torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)


def test_nothing_found_is_zero_where_there_are_objects(tmp_path):
    metrics = evaluate(tmp_path, nothing)
    assert metrics["AP"] == metrics["AP50"] == metrics["APs"] == metrics["AP-circle"] == 0
    assert math.isnan(metrics["APl"])  # no object is large
    assert math.isnan(evaluate(tmp_path, nothing, img_ids=[])["AP"])


def test_detections_are_saved_once(tmp_path):
    one = torch.tensor([[1.0, 2.0, 11.0, 22.0]]), torch.tensor([0])
    folder = tmp_path / "inference"
    evaluate(tmp_path, lambda _: one, output_dir=str(folder))
    assert [x.name for x in folder.iterdir()] == ["coco_instances_results.json"]
    found = json.loads((folder / "coco_instances_results.json").read_text())
    assert len(found) == 6 and found[0]["bbox"] == [1, 2, 10, 20]
