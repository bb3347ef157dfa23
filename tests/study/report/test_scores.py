"""What a report says about scores: calibration by variant."""

import json

import numpy as np
import pytest
from planted import plant_study
from simulation import simulate_images

from retina_plugin.evaluation.calibration import calibration_metrics, match_scores
from retina_plugin.evaluation.truth import read_truth
from retina_plugin.run_folder import read_config, read_detections
from retina_plugin.study import write_report
from retina_plugin.study.evidence.by_image import coco_test_data
from retina_plugin.study.report.scores import calibrations, draw_reliability
from retina_plugin.study.statistics.measurements import Measurements


def test_the_table_has_the_mean_over_runs_of_what_the_evaluator_reports(tmp_path, trained_run, unseen_figures):
    study, results = plant_study(tmp_path, trained_run)
    page = write_report(study, results, num_images=0)
    content = json.loads(page.with_suffix(".json").read_text())["calibration"]
    assert list(content) == ["focal", "ce"]  # every run of "broken" failed
    runs = [r.run_dir for r in results if r.variant == "ce"]
    expected = [_calibration_of(run)["ECE"] for run in runs]
    assert content["ce"]["ECE"] == pytest.approx(np.mean(expected)) and len(expected) == 3
    for form in (page, page.with_suffix(".md")):
        assert f"{content['ce']['ECE']:.4f}" in form.read_text() and "from 0 to 1, lower is better" in form.read_text()


def _calibration_of(run_dir):
    json_file, max_dets = coco_test_data(read_config(run_dir))
    return calibration_metrics(*match_scores(read_truth(json_file), read_detections(run_dir), max_dets))


def test_the_evaluator_may_be_one_of_a_list(trained_run):
    cfg = read_config(trained_run)
    alone, evaluator = coco_test_data(cfg), cfg.dataloader.evaluator
    assert alone[1] == 100
    cfg.dataloader.evaluator = [{"other": 1}, {**evaluator, "max_dets_per_image": [1, 10, 30]}]
    assert coco_test_data(cfg) == (alone[0], 30)


def test_the_figure_has_one_line_per_variant_and_the_diagonal():
    measurements = simulate_images(np.random.default_rng(0), effect=3)
    for evidence in measurements.evidence.values():  # the simulation's scores have no unit
        ranked = evidence.matches.ranked[0][0]
        ranked.score[:] = 1 / (1 + np.exp(-ranked.score))
    (figure,) = draw_reliability(measurements, ["a", "b"])
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["a", "b"]
    assert len(figure.axes[0].lines) == 3
    assert set(calibrations(measurements, ["a", "b"])) == {"a", "b"}


def test_without_results_by_image_there_is_neither():
    measurements = Measurements([])
    assert draw_reliability(measurements, ["a"]) == [] and calibrations(measurements, ["a"]) == {}
