"""A study folder without training: the model of one run, and detections made from the ground truth."""

import json
import shutil

import numpy as np
from conftest import QUICK, TINY
from detectron2.config import instantiate

from retina_plugin.config import load_config
from retina_plugin.config.yaml_file import save_config
from retina_plugin.data import dataset_metadata
from retina_plugin.evaluation.truth import read_truth
from retina_plugin.run_folder import last_evaluation
from retina_plugin.study import load_study
from retina_plugin.study.evidence.matching import match_detections
from retina_plugin.study.evidence.resampling import resample_metrics
from retina_plugin.study.execution.results import RunResult

NUM_IMAGES = 30
VARIANTS = {"focal": [], "ce": ["model.cls_loss=${losses.softmax_ce}"], "broken": []}
RECALL = {"focal": 0.95, "ce": 0.4}


def plant_study(folder, trained_run, seeds=(0, 1, 2), **content):
    """A study and its results: variant "ce" finds less than "focal", and every run of "broken" failed."""
    content = {"base": QUICK, "variants": VARIANTS} | content
    (folder / "study.py").write_text(f"study = {content!r}")
    study = load_study(folder / "study.py", seeds, output_dir=folder / "out", overrides=TINY)
    results = [RunResult("broken", s, "nowhere", 0.0, {}, "out of <memory>") for s in seeds]
    cfg, truth = _test_data(trained_run)
    save_config(cfg, folder / "config.yaml")
    for variant, recall in RECALL.items():
        for seed in seeds:
            run_dir = study.run_dir(variant, seed)
            run_dir.mkdir(parents=True)
            shutil.copy(trained_run / "model_final.pth", run_dir)
            shutil.copy(folder / "config.yaml", run_dir)
            _plant_results(run_dir, truth, recall, np.random.default_rng([seed, len(variant)]))
            results.append(RunResult(variant, seed, str(run_dir), 1.5, last_evaluation(run_dir)))
    return study, results


def _test_data(trained_run):
    more = [f"dataloader.test.dataset.names.num_images={NUM_IMAGES}"]
    cfg = load_config(trained_run / "config.yaml", more)
    return cfg, read_truth(dataset_metadata(instantiate(cfg.dataloader.test.dataset.names)).json_file)


def _plant_results(run_dir, truth, recall, rng):
    detections = [_near(a, rng) for a in truth.anns.values() if rng.random() < recall]
    detections += [_near(a, rng) | {"category_id": 1, "score": 0.3} for a in truth.anns.values()]
    (run_dir / "inference").mkdir()
    (run_dir / "inference/coco_instances_results.json").write_text(json.dumps(detections))
    ap = resample_metrics(match_detections(truth, detections), np.ones((NUM_IMAGES, 1)))
    last = {"iteration": 8} | {f"bbox/{k}": float(v[0]) for k, v in ap.items()}
    lines = [
        {"iteration": i, "loss_cls": 1 / (i + shift), "loss_box_reg": 0.5}
        for i, shift in enumerate(rng.uniform(1, 2, 8))
    ]
    (run_dir / "metrics.json").write_text("".join(json.dumps(x) + "\n" for x in [*lines, last]))


def _near(annotation, rng):
    x, y, w, h = annotation["bbox"]
    box = [x + rng.normal(0, w / 30), y + rng.normal(0, h / 30), w, h]
    key = {k: annotation[k] for k in ("image_id", "category_id")}
    return key | {"bbox": box, "score": float(rng.uniform(0.4, 1))}
