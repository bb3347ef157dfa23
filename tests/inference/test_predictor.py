import numpy as np
import pytest
import torch

from retina_plugin.config import load_config
from retina_plugin.engine import CheckpointError
from retina_plugin.inference.predictor import LazyPredictor


@pytest.fixture(scope="module")
def predictor(trained_run):
    overrides = ["model.test_score_thresh=0.0", "model.max_detections_per_image=7"]
    return LazyPredictor.from_run(trained_run, overrides=overrides)


def test_an_image_gives_instances_in_its_own_pixels(predictor):
    image = np.random.RandomState(0).randint(0, 255, (80, 50, 3), np.uint8)
    instances = predictor(image)
    assert len(instances) == 7 and instances.image_size == (80, 50)
    assert instances.pred_boxes.tensor[:, 2].max() <= 50
    assert instances.scores.device.type == "cpu"
    assert predictor.metadata.thing_classes == ["circle", "square", "triangle"]


def test_bgr_goes_in_whatever_the_model_wants(trained_run, predictor):
    image = np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)
    cfg = load_config(trained_run / "config.yaml", ["model.test_score_thresh=0.0"])
    bgr = LazyPredictor(cfg, trained_run / "model_final.pth")
    bgr._format = "BGR"
    a, b = predictor(image), bgr(np.ascontiguousarray(image[:, :, ::-1]))
    torch.testing.assert_close(a.scores, b.scores[: len(a)])


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)],
)
def test_other_arrays_are_refused(predictor, image):
    with pytest.raises(ValueError, match="BGR uint8, got"):
        predictor(image)


def test_a_run_serves_without_its_data(trained_run, monkeypatch, tmp_path):
    monkeypatch.setenv("RETINA_PLUGIN_CACHE", str(tmp_path / "nowhere"))
    assert LazyPredictor.from_run(trained_run).metadata.category_ids == [1, 2, 3]
    assert not (tmp_path / "nowhere").exists()


def test_a_run_without_checkpoint_is_named(tmp_path, trained_run):
    (tmp_path / "config.yaml").write_text((trained_run / "config.yaml").read_text())
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        LazyPredictor.from_run(tmp_path)
