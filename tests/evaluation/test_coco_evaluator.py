import json
import math
import shutil

import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.structures import Boxes, Instances
from omegaconf import OmegaConf

from retina_plugin.analysis.doctor.after.record import Record
from retina_plugin.analysis.errors.results import read_results
from retina_plugin.data import register_synthetic
from retina_plugin.engine.run_data import build_evaluator
from retina_plugin.engine.train import evaluate as evaluate_run
from retina_plugin.evaluation import COCOEvaluator
from retina_plugin.run_folder import find_weights, read_config


def evaluate(tmp_path, detect, img_ids=None, tasks=("bbox",), **kwargs):
    """Metrics of `detect`, a function from a data set entry to boxes (P, 4) and classes (P,)."""
    name = register_synthetic("val", 6, {"image_size": 96, "object_size": [12, 28]}, str(tmp_path))
    evaluator = COCOEvaluator(name, tasks=tasks, **kwargs)
    evaluator.reset()
    for entry in DatasetCatalog.get(name):
        boxes, classes = detect(entry)
        found = Instances((96, 96), pred_boxes=Boxes(boxes), pred_classes=classes)
        found.scores = torch.ones(len(found))
        evaluator.process([entry], [{"instances": found}])
    return evaluator.evaluate(img_ids)["bbox"]


def truth(entry):
    boxes = torch.tensor([a["bbox"] for a in entry["annotations"]], dtype=torch.float)
    boxes[:, 2:] += boxes[:, :2]
    return boxes, torch.tensor([a["category_id"] for a in entry["annotations"]])


def test_the_truth_has_full_marks(tmp_path):
    metrics = evaluate(tmp_path, truth)
    assert metrics["AP"] > 99.99 and math.isnan(metrics["APl"])


def test_a_list_of_one_data_set_is_that_data_set(trained_run, tmp_path):
    cfg = OmegaConf.load(trained_run / "config.yaml")
    name = register_synthetic("val", 3, {"image_size": 64})
    run = shutil.copytree(trained_run, tmp_path / "run")
    cfg.dataloader.test.dataset.names, cfg.train.output_dir = [name], str(run)
    OmegaConf.save(cfg, run / "config.yaml")
    metrics = evaluate_run(read_config(run), find_weights(run))
    assert metrics["bbox"].keys() >= {"AP", "AP50"}
    assert len(read_results(run).image_ids) == 3 and len(Record(run).truth.imgs) == 3


def test_several_data_sets_are_refused_by_the_key(tiny_cfg):
    name, other = (register_synthetic("val", number, {"image_size": 64}) for number in (2, 3))
    cfg = tiny_cfg(f"dataloader.test.dataset.names=[{name},{other}]")
    with pytest.raises(ValueError, match=f"one data set, got {name}, {other}: set dataloader.test.dataset.names to"):
        build_evaluator(cfg)


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


@pytest.mark.parametrize(
    ("limit", "is_found"), [(12, True), (11, False), ([1, 10, 12], True), (OmegaConf.create([1, 10, 11]), False)]
)
def test_the_number_of_detections_that_count_is_a_number_or_three(tmp_path, limit, is_found):
    def detect(entry):
        """Eleven wrong detections before the right one."""
        boxes, classes = truth(entry)
        return torch.cat([torch.tensor([[0.0, 0, 3, 3]]).expand(11, 4), boxes[:1]]), classes[:1].expand(12)

    assert (evaluate(tmp_path, detect, max_dets_per_image=limit)["AP"] > 0) == is_found


@pytest.mark.parametrize(("limit", "is_found"), [(3, True), (2, False), (1, False)])
def test_fewer_than_ten_detections_may_count(tmp_path, limit, is_found):
    def detect(entry):
        boxes, classes = truth(entry)
        return torch.cat([torch.tensor([[0.0, 0, 3, 3]]).expand(2, 4), boxes[:1]]), classes[:1].expand(3)

    assert (evaluate(tmp_path, detect, max_dets_per_image=limit)["AP"] > 0) == is_found


@pytest.mark.parametrize("limit", [0, [0, 1, 2], [1, 10, 5]])
def test_limits_that_are_no_limits_are_refused(tmp_path, limit):
    with pytest.raises(ValueError, match=r"max_dets_per_image must be 1 or more, and ascend, got \[?[01]"):
        evaluate(tmp_path, nothing, max_dets_per_image=limit)


def test_labels_of_a_data_set_that_is_not_loaded_are_not_taken_for_ids(tmp_path):
    """Detectron2 finds out which category a label is when it loads the data."""
    images, categories = [{"id": 1, "width": 96, "height": 96}], [{"id": 7, "name": "a"}, {"id": 9, "name": "b"}]
    (tmp_path / "truth.json").write_text(json.dumps({"images": images, "categories": categories, "annotations": []}))
    register_coco_instances("not_loaded", {}, str(tmp_path / "truth.json"), str(tmp_path))
    found = Instances((96, 96), scores=torch.ones(1), pred_classes=torch.tensor([1]))
    found.pred_boxes = Boxes(torch.tensor([[5.0, 5, 20, 20]]))
    evaluator = COCOEvaluator("not_loaded", tasks=["bbox"])
    evaluator.reset()
    evaluator.process([{"image_id": 1}], [{"instances": found}])
    with pytest.raises(ValueError, match=r"such as 1, .* load it first, as by DatasetCatalog.get\('not_loaded'\)"):
        evaluator.evaluate()


def test_an_unknown_task_is_refused(tmp_path):
    with pytest.raises(ValueError, match="dataloader.evaluator.tasks must be of bbox, segm, keypoints, got abc"):
        evaluate(tmp_path, nothing, tasks=["bbox", "abc"])


def test_another_number_of_limits_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"max_dets_per_image must be a number or three, got \[100\]"):
        evaluate(tmp_path, nothing, max_dets_per_image=[100])
