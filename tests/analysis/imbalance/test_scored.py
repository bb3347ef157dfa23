"""Detections from dense outputs beside those of the detector, and their calibration beside that of the evaluator."""

import torch
from detectron2.config import instantiate
from detectron2.evaluation import inference_on_dataset

from retina_plugin.analysis.dense import dense_images
from retina_plugin.analysis.imbalance.scored import Detections
from retina_plugin.evaluation.calibration import calibration_metrics


def test_detections_and_their_calibration_are_those_of_an_evaluation(tiny_cfg):
    cfg = tiny_cfg("model.head.prior_prob=0.3", "+dataloader.evaluator.calibration=True")
    torch.manual_seed(0)
    model = instantiate(cfg.model).eval()
    cfg.metadata = {"thing_classes": ["circle", "square", "triangle"], "category_ids": [1, 2, 3]}
    expected = inference_on_dataset(model, instantiate(cfg.dataloader.test), instantiate(cfg.dataloader.evaluator))
    detections = Detections(model)
    for image in dense_images(cfg, model):
        detections.add(image)
    scores, correct = detections.match(cfg, "test")
    assert len(scores) == len(detections.found) > 100 and correct.any()
    assert calibration_metrics(scores, correct) == expected["calibration"]


def test_images_of_two_data_sets_with_the_same_ids_are_not_one_image(tiny_cfg):
    cfg = tiny_cfg("model.head.prior_prob=0.3")
    torch.manual_seed(0)
    model = instantiate(cfg.model).eval()

    def matched(*names):
        cfg.dataloader.test.dataset.names = names
        detections = Detections(model)
        for image in dense_images(cfg, model):
            detections.add(image)
        return sorted(zip(*detections.match(cfg, "test"), strict=True))

    sets = [instantiate(cfg.dataloader[split].dataset.names) for split in ("train", "test")]
    assert matched(*sets) == sorted(matched(sets[0]) + matched(sets[1]))
