"""Measures of calibration against closed forms, and the evaluator that reports them."""

import copy
import json
import math

import numpy as np
import pytest
from detectron2.config import instantiate
from detectron2.evaluation import inference_on_dataset

from retina_plugin.config import load_config
from retina_plugin.data import dataset_metadata, register_synthetic
from retina_plugin.engine import RunCheckpointer
from retina_plugin.evaluation.calibration import (
    calibration_metrics,
    equal_count_bins,
    equal_width_bins,
    match_scores,
)
from retina_plugin.evaluation.truth import read_truth
from retina_plugin.study.spec.metrics import read_metric


def draw(rng, size, shift=0.0, low=0.0):
    """Scores from `low` to 1, and labels that are correct with the probability of score minus shift."""
    scores = rng.uniform(low, 1, size)
    return scores, rng.random(size) < scores - shift


def test_of_calibrated_scores_only_chance_is_left():
    # in a bin of n, precision deviates with variance p (1 - p) / n, and a normal deviation is sqrt(2 / pi) of its
    # standard deviation in the mean
    rng, size, repeats = np.random.default_rng(0), 3000, 300
    errors = [calibration_metrics(*draw(rng, size))["ECE"] for _ in range(repeats)]
    centres = (np.arange(15) + 0.5) / 15
    expected = np.sqrt(2 / np.pi * centres * (1 - centres) / (size / 15)).mean()
    assert np.mean(errors) == pytest.approx(expected, abs=4 * np.std(errors) / math.sqrt(repeats) + 0.01 * expected)


def test_the_debiased_error_is_zero_on_average_for_calibrated_scores():
    rng, repeats = np.random.default_rng(1), 2000
    bins = [equal_count_bins(*draw(rng, 150)) for _ in range(repeats)]
    debiased = np.array([b.debiased_squared_error for b in bins])
    plain = np.array([np.average((b.precision - b.score) ** 2, weights=b.count) for b in bins])
    assert abs(debiased.mean()) < 4 * debiased.std() / math.sqrt(repeats)
    assert plain.mean() > 50 * plain.std() / math.sqrt(repeats)


def test_a_shift_of_the_scores_is_the_error():
    metrics = calibration_metrics(*draw(np.random.default_rng(2), 400_000, shift=0.2, low=0.2))
    for name in ("ECE", "ECE_adaptive", "RMSCE_debiased"):
        assert metrics[name] == pytest.approx(0.2, abs=0.004)


def test_values_by_hand():
    scores, correct = np.array([0.75, 0.75, 0.75, 0.75, 0.25, 0.25]), np.array([1, 1, 0, 0, 0, 0], bool)
    metrics = calibration_metrics(scores, correct)
    assert metrics["ECE"] == 0.25  # 4 / 6 (.75 - .5) + 2 / 6 (.25 - 0)
    assert metrics["Brier"] == pytest.approx((2 * 0.0625 + 2 * 0.5625 + 2 * 0.0625) / 6)
    assert metrics["log_loss"] == pytest.approx(-(4 * math.log(0.75) + 2 * math.log(0.25)) / 6)


def test_bins_of_equal_width_contain_their_upper_end():
    bins = equal_width_bins(np.array([0.0, 0.2, 0.2000001, 1.0]), np.zeros(4, bool), num_bins=5)
    assert bins.count.tolist() == [2, 1, 1]


def test_bins_of_equal_count_are_of_neighbours_in_score():
    scores = np.array([0.9, 0.1, 0.5, 0.3])
    bins = equal_count_bins(scores, scores > 0.4, num_bins=2)
    assert bins.score.tolist() == [0.2, 0.7] and bins.precision.tolist() == [0, 1]


def test_certain_scores_have_a_finite_log_loss_and_no_detections_have_none():
    wrong = calibration_metrics(np.array([0.0, 1.0]), np.array([True, False]))
    assert wrong["ECE"] == wrong["Brier"] == 1 and wrong["log_loss"] == pytest.approx(-math.log(1e-7), rel=1e-6)
    assert all(math.isnan(v) for v in calibration_metrics(np.zeros(0), np.zeros(0, bool)).values())


def test_detections_are_matched_at_an_iou_of_one_half_without_crowds(tmp_path):
    truth = read_truth(dataset_metadata(register_synthetic("val", 4, root=str(tmp_path))).json_file)
    first, second, *_ = annotations = list(truth.anns.values())
    second["iscrowd"] = 1
    x, y, w, h = first["bbox"]
    found = {k: first[k] for k in ("image_id", "category_id")}
    detections = [
        found | {"bbox": [x, y, w * 0.6, h], "score": 0.9},  # IoU .6
        found | {"bbox": [x, y, w, h], "score": 0.8},  # the object is taken
        {k: second[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.7},
        {k: annotations[-1][k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.6},
    ]
    scores, correct = match_scores(truth, copy.deepcopy(detections))
    assert dict(zip(scores.tolist(), correct.tolist(), strict=True)) == {0.9: True, 0.8: False, 0.6: True}


def test_the_evaluator_reports_them_as_a_task(trained_run, tmp_path):
    overrides = ["dataloader.evaluator.calibration=true", f"train.output_dir={tmp_path}"]
    cfg = load_config(trained_run / "config.yaml", overrides)
    model = instantiate(cfg.model).eval()
    RunCheckpointer(model).load_all(str(trained_run / "model_final.pth"))
    evaluator = instantiate(cfg.dataloader.evaluator)
    metrics = inference_on_dataset(model, instantiate(cfg.dataloader.test), evaluator)["calibration"]
    truth = read_truth(dataset_metadata(instantiate(cfg.dataloader.test.dataset.names)).json_file)
    detections = json.loads((tmp_path / "inference/coco_instances_results.json").read_text())
    assert metrics == calibration_metrics(*match_scores(truth, detections)) and 0 < metrics["ECE"] < 1


def test_lower_is_better_for_them_in_a_study():
    metric = read_metric("calibration/ECE")
    assert not metric.higher_is_better and not metric.is_percent
