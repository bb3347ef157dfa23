import numpy as np
import pytest
import torch
from PIL import Image

from retina_plugin.config import ConfigError, load_config
from retina_plugin.data import DataError
from retina_plugin.inference.predictor import LazyPredictor, as_bgr
from retina_plugin.weights import CheckpointError


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


def test_a_detector_of_grey_images_gets_them(trained_run, predictor):
    """Its three means make one channel three."""
    colour = np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)
    grey = np.asarray(Image.fromarray(colour).convert("L"))
    overrides = ["model.test_score_thresh=0.0", "model.max_detections_per_image=7", "model.input_format=L"]
    found = LazyPredictor.from_run(trained_run, overrides=overrides)(colour, "RGB")
    assert same(found, predictor(np.dstack([grey] * 3)))


def test_a_config_without_a_format_is_bgr_and_one_without_augmentations_is_refused(trained_run):
    image = np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)
    cfg, weights = load_config(trained_run / "config.yaml"), trained_run / "model_final.pth"
    del cfg.model.input_format
    assert same(LazyPredictor(cfg, weights)(image), LazyPredictor.from_run(trained_run)(image, "RGB"))
    cfg.dataloader.test.mapper = {"_target_": "my.mapper"}
    with pytest.raises(ConfigError, match="dataloader.test.mapper has no augmentations"):
        LazyPredictor(cfg, weights)


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        (np.zeros((8, 8), np.uint8), "repeat a grey image"),
        (np.zeros((8, 8, 1), np.uint8), "repeat a grey image"),
        (np.zeros((8, 8, 4), np.uint8), "fourth channel"),
        (np.zeros((8, 8, 3), np.float32), "by 255"),
        (np.zeros((8, 8, 3), np.uint16), "by 257"),
        (np.zeros((8, 8, 3), bool), "into this form"),
        (np.zeros((3, 8, 9), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), "one image at a time"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
    ],
)
def test_other_arrays_are_refused_with_advice(predictor, image, advice):
    with pytest.raises(ValueError, match=rf"\(H, W, 3\) BGR uint8, got .*: .*{advice}"):
        predictor(image)


def test_other_things_are_refused(predictor):
    with pytest.raises(ValueError, match="a path, an image of PIL or an array, got Tensor"):
        predictor(torch.zeros(8, 8, 3))
    with pytest.raises(ValueError, match="channel_order must be 'BGR' or 'RGB', got 'rgb'"):
        predictor(np.zeros((8, 8, 3), np.uint8), "rgb")
    with pytest.raises(DataError, match=r"cannot read image .*no.png"):
        predictor("no.png")
    with pytest.raises(DataError, match="cannot use image: its pixels are floating point"):
        predictor(Image.new("F", (8, 8)))


RGB = np.random.RandomState(0).randint(0, 255, (60, 80, 3), np.uint8)


def same(a, b):
    return len(a) and a.image_size == b.image_size and a.pred_boxes.tensor.equal(b.pred_boxes.tensor)


def test_a_path_an_image_of_pil_and_arrays_of_both_orders_are_the_same(predictor, tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    expected = predictor(np.ascontiguousarray(RGB[:, :, ::-1]))
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(RGB), Image.open(tmp_path / "a.png")):
        assert same(predictor(image), expected)
    assert same(predictor(RGB, channel_order="RGB"), expected)
    assert not same(predictor(RGB), expected)


def test_an_image_of_pil_is_turned_as_its_exif_data_say(predictor):
    turned = Image.fromarray(np.rot90(RGB))  # by 90 degrees to the left, which orientation 6 undoes
    turned.getexif()[274] = 6
    assert np.array_equal(as_bgr(turned), RGB[:, :, ::-1])
    assert same(predictor(turned), predictor(RGB, "RGB"))


GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
MODES = [
    (Image.fromarray(GREY), GREY),
    (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
    (Image.fromarray(np.dstack([GREY, GREY, GREY, 255 - GREY]), "RGBA"), GREY),
    (Image.fromarray(GREY > 127), (GREY > 127) * np.uint8(255)),
    (Image.fromarray(GREY).convert("P"), GREY),
]


@pytest.mark.parametrize(("image", "expected"), MODES, ids=[image.mode for image, _ in MODES])
def test_images_of_pil_in_other_modes(image, expected):
    assert np.array_equal(as_bgr(image), np.dstack([expected] * 3))


def test_bfloat16_gives_nearly_the_same_scores(trained_run, predictor):
    overrides = ["model.test_score_thresh=0.0", "model.max_detections_per_image=7"]
    half = LazyPredictor.from_run(trained_run, overrides=overrides, dtype="bfloat16")
    assert next(half.model.backbone.parameters()).dtype == torch.bfloat16
    found, expected = half(RGB).scores, predictor(RGB).scores
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.01)
    assert not found.equal(expected)
    with pytest.raises(ValueError, match=r"dtype must be one of \['auto', 'float32', 'bfloat16'\], got 'half'"):
        LazyPredictor.from_run(trained_run, dtype="half")


def test_a_run_serves_without_its_data(trained_run, monkeypatch, tmp_path):
    monkeypatch.setenv("RETINA_PLUGIN_CACHE", str(tmp_path / "nowhere"))
    assert LazyPredictor.from_run(trained_run).metadata.category_ids == [1, 2, 3]
    assert not (tmp_path / "nowhere").exists()


def test_a_run_without_checkpoint_is_named(tmp_path, trained_run):
    (tmp_path / "config.yaml").write_text((trained_run / "config.yaml").read_text())
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        LazyPredictor.from_run(tmp_path)
