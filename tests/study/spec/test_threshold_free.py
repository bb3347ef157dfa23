"""Runs of a study are evaluated without a score threshold, unless the study file says otherwise."""

import json

import pytest
from conftest import QUICK
from planted import plant_study
from studies import tiny_study

from retina_plugin.config import load_config
from retina_plugin.study import load_study, run_study, write_report
from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.report.scores import above_thresholds
from retina_plugin.study.statistics.measurements import Measurements

THRESH, EVALUATOR = "model.test_score_thresh=0.3", "dataloader.evaluator"


def config_of(tmp_path, *overrides, **settings):
    content = {"base": QUICK, "variants": {"a": list(overrides)}} | settings
    (tmp_path / "study.py").write_text(f"study = {content!r}")
    study = load_study(tmp_path / "study.py")
    return study.run_config(study.variants[0], 0)


@pytest.mark.parametrize(("overrides", "deployed"), [((), 0.05), ((THRESH,), 0.3)])
def test_the_threshold_of_the_config_moves_to_the_evaluator(tmp_path, overrides, deployed):
    cfg = config_of(tmp_path, *overrides)
    assert (cfg.model.test_score_thresh, cfg.dataloader.evaluator.deployment_thresh) == (0.0, deployed)


def test_it_can_be_switched_off(tmp_path):
    cfg = config_of(tmp_path, threshold_free=False)
    assert cfg.model.test_score_thresh == 0.05 and "deployment_thresh" not in cfg.dataloader.evaluator


def test_an_evaluator_in_a_list_counts_all_scores_too(tmp_path):
    (tmp_path / "several.py").write_text(
        "from retina_plugin import get_config\n"
        f"base = get_config({QUICK!r})\n"
        "model, dataloader, optimizer, lr_multiplier, train, losses, synthetic = (base[k] for k in ('model', "
        "'dataloader', 'optimizer', 'lr_multiplier', 'train', 'losses', 'synthetic'))\n"
        "dataloader.evaluator = [dataloader.evaluator]\n"
    )
    cfg = config_of(tmp_path, base="several.py")
    assert (cfg.model.test_score_thresh, cfg.dataloader.evaluator[0].deployment_thresh) == (0.0, 0.05)


def test_other_evaluators_keep_the_threshold(tmp_path):
    (tmp_path / "voc.py").write_text(
        "from detectron2.config import LazyCall as L\n"
        "from detectron2.evaluation import PascalVOCDetectionEvaluator\n"
        "from retina_plugin import get_config\n"
        "base = get_config('quick/retinanet_tiny_synthetic.py')\n"
        "model, dataloader, optimizer, lr_multiplier, train, losses, synthetic = (base[k] for k in ('model', "
        "'dataloader', 'optimizer', 'lr_multiplier', 'train', 'losses', 'synthetic'))\n"
        "dataloader.evaluator = L(PascalVOCDetectionEvaluator)(dataset_name='voc_2007_test')\n"
    )
    assert config_of(tmp_path, base="voc.py").model.test_score_thresh == 0.05


def test_a_run_folder_holds_both_and_the_report_shows_both(tmp_path, unseen_figures):
    study = tiny_study(tmp_path, {"focal": []}, max_iter=2, seeds=[0])
    results = run_study(study)
    assert not any(r.error for r in results) and all("bbox/AP_above_0" in r.metrics for r in results)
    cfg = load_config(study.run_dir("focal", 0) / "config.yaml")
    assert (cfg.model.test_score_thresh, cfg.dataloader.evaluator.deployment_thresh) == (0, 0)
    page = write_report(study, results, num_images=0)
    for form in (page, page.with_suffix(".md")):
        assert "without a score threshold" in form.read_text()


def test_the_two_values_stand_side_by_side(tmp_path, trained_run, unseen_figures):
    study, results = plant_study(tmp_path, trained_run)
    known = [with_metric(r, "bbox/AP_above_0.05", 12.5 + r.seed) for r in results]
    page = write_report(study, known, num_images=0)
    assert "| 13.5 ± 1.0 |" in page.with_suffix(".md").read_text() and "AP, scores<br>above 0.05" in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text())["above"]["0.05"]["focal"]["mean"] == 13.5


def test_runs_that_were_evaluated_with_a_threshold_have_no_such_column():
    results = [RunResult("a", seed, "nowhere", 1.0, {"bbox/AP": 30.0}) for seed in range(2)]
    assert above_thresholds(Measurements(results), ["a"]) == {}


def with_metric(result, key, value):
    metrics = {} if result.error else result.metrics | {key: value}
    return RunResult(result.variant, result.seed, result.run_dir, result.minutes, metrics, result.error)
