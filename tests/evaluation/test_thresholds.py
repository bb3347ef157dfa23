"""AP at a threshold, computed from detections without one, is that of a real evaluation at the threshold."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from detectron2.config import instantiate
from detectron2.evaluation import inference_on_dataset
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from retina_plugin.config import load_config
from retina_plugin.data import dataset_metadata, register_synthetic
from retina_plugin.engine import RunCheckpointer
from retina_plugin.evaluation.box_metrics import evaluate_boxes
from retina_plugin.evaluation.thresholds import average_precision, best_f1, detections_above


def evaluate(run, folder, model, score_thresh, deployment_thresh=None):
    """Metrics and detections of a model with a score threshold on 12 images."""
    more = ["dataloader.test.dataset.names.num_images=12", f"train.output_dir={folder}"]
    cfg = load_config(run / "config.yaml", more)
    cfg.dataloader.evaluator.deployment_thresh = deployment_thresh
    model.test_score_thresh = score_thresh
    evaluator = instantiate(cfg.dataloader.evaluator)
    metrics = inference_on_dataset(model, instantiate(cfg.dataloader.test), evaluator)["bbox"]
    return metrics, json.loads((folder / "inference/coco_instances_results.json").read_text())


@pytest.fixture(scope="module")
def detector(trained_run):
    """A tiny detector whose scores are spread over (0, 1), which few iterations do not achieve."""
    model = instantiate(load_config(trained_run / "config.yaml").model)
    RunCheckpointer(model).load_all(str(trained_run / "model_final.pth"))
    model.head.cls_score.weight.data *= 40
    return model.eval()


@pytest.mark.parametrize("limits", [(1000, 100), (60, 25)], ids=["usual limits", "limits that bind"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.02])
def test_filtered_detections_are_those_of_an_evaluation_at_the_threshold(
    detector, trained_run, tmp_path, limits, share
):
    detector.test_topk_candidates, detector.max_detections_per_image = limits
    _, everything = evaluate(trained_run, tmp_path / "0", detector, 0.0)
    threshold = float(np.quantile([d["score"] for d in everything], 1 - share))
    free, everything = evaluate(trained_run, tmp_path / "free", detector, 0.0, threshold)
    at_threshold, expected = evaluate(trained_run, tmp_path / "at", detector, threshold)
    assert 0 < len(expected) < len(everything)
    assert detections_above(everything, threshold) == expected
    assert free[f"AP_above_{threshold:g}"] == at_threshold["AP"]
    assert not any("above" in name for name in at_threshold)


def test_no_detection_above_the_threshold_is_an_ap_of_zero(detector, trained_run, tmp_path):
    metrics, _ = evaluate(trained_run, tmp_path, detector, 0.0, 1.0)
    assert metrics["AP_above_1"] == 0 and math.isfinite(metrics["AP"])


def test_scores_are_compared_in_float32():
    score = float(np.float32(0.05))  # more than .05 in float64, and not above it for a detector in float32
    assert detections_above([{"score": score}, {"score": 0.06}], 0.05) == [{"score": 0.06}]


def test_average_precision_is_what_pycocotools_summarizes(tmp_path):
    truth = COCO(dataset_metadata(register_synthetic("val", 12, root=str(tmp_path))).json_file)
    rng = np.random.default_rng(0)
    detections = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": moved, "score": float(rng.uniform())}
        for a in truth.anns.values()
        for moved in (np.array(a["bbox"]) + rng.normal(0, 2, (3, 4))).tolist()
    ]
    expected = COCOeval(truth, truth.loadRes([dict(d) for d in detections]), "bbox")
    expected.evaluate()
    expected.accumulate()
    expected.summarize()
    assert 5 < 100 * expected.stats[0] < 95
    assert average_precision(truth, detections) == pytest.approx(100 * expected.stats[0], abs=1e-10)


def objects_and_detections(right_and_wrong):
    """One object per right detection and one more per category; wrong detections are elsewhere in the image."""
    annotations, detections = [], []
    for category, scores in right_and_wrong.items():
        for place, (score, right) in enumerate(scores):
            box = [20 * place, 20 * category, 10, 10]
            detections.append({"image_id": 1, "category_id": category, "bbox": box, "score": score})
            if right:
                annotations.append({"bbox": box, "category_id": category})
        annotations.append({"bbox": [500, 20 * category, 10, 10], "category_id": category})
    truth = COCO()
    ids = {"image_id": 1, "iscrowd": 0, "area": 100}
    truth.dataset = {
        "images": [{"id": 1, "width": 600, "height": 600}],
        "annotations": [a | ids | {"id": i} for i, a in enumerate(annotations, 1)],
        "categories": [{"id": c, "name": str(c)} for c in {*right_and_wrong, 9}],  # 9 has no objects
    }
    truth.createIndex()
    return truth, detections


def test_the_best_threshold_of_a_category_has_the_highest_f1():
    scores = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.5, False), (0.4, False)]  # 3 of 4 objects
    f1, threshold = best_f1(evaluate_boxes(*objects_and_detections({1: scores})))
    assert (f1, threshold) == (pytest.approx(75), pytest.approx(0.6))  # P = R = 3 / 4; at .8 it is 2/3, at .4 .6


def test_the_best_threshold_of_several_categories_has_the_highest_mean():
    first = [(0.9, True), (0.4, False), (0.3, False)]  # alone: .9, F1 = 2/3 of 1 and 1/2
    second = [(0.6, True), (0.5, True), (0.2, False)]  # alone: .5, F1 = 4/5 of 1 and 2/3
    f1, threshold = best_f1(evaluate_boxes(*objects_and_detections({1: first, 2: second})))
    assert threshold == pytest.approx(0.5)
    assert f1 == pytest.approx(100 * (2 / 3 + 0.8) / 2, abs=1)  # recall 2/3 is .66 on COCO's grid


def test_without_a_correct_detection_there_is_no_best_threshold():
    assert best_f1(evaluate_boxes(*objects_and_detections({1: [(0.9, False)]}))) is None
    assert best_f1(evaluate_boxes(objects_and_detections({1: []})[0], [])) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
@example(37)  # two thresholds whose F1 differ by rounding alone
def test_the_best_threshold_is_that_of_a_search_over_all_scores(seed):
    """Categories with ties, without objects, and without detections."""
    rng = np.random.default_rng(seed)
    recalls, classes = 11, 4
    found = rng.integers(0, recalls + 1, classes)  # how many recalls each reaches
    reached = np.arange(recalls)[:, None] < found
    precision = np.where(reached, -np.sort(-rng.choice([0.25, 0.5, 1.0], (recalls, classes)), axis=0), 0)
    scores = np.where(reached, -np.sort(-rng.choice(np.arange(0.1, 1, 0.1), (recalls, classes)), axis=0), 0)
    precision[:, rng.integers(classes)] = -1
    table = {"precision": precision[None, :, :, None, None], "scores": scores[None, :, :, None, None]}
    assert best_f1(SimpleNamespace(eval=table)) == pytest.approx(searched_f1(precision, scores))


def searched_f1(precision, scores):
    """The highest mean of F1 over categories with objects, among all scores as thresholds."""
    objects = precision[0] > -1
    precision, scores = precision[:, objects], scores[:, objects]
    recall = np.linspace(0, 1, len(precision))
    best = None
    for threshold in np.unique(scores[precision > 0])[::-1]:
        values = []
        for p, s in zip(precision.T, scores.T, strict=True):
            last = np.flatnonzero((s >= threshold) & (p > 0))
            values.append(200 * p[last[-1]] * recall[last[-1]] / (p[last[-1]] + recall[last[-1]]) if len(last) else 0)
        if np.mean(values) > 0 and (best is None or np.mean(values) > best[0] + 1e-9):
            best = np.mean(values), threshold
    return best
