import hashlib
import json

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from PIL import Image

from retina_plugin.data import DataError, SyntheticSettings, register_synthetic
from retina_plugin.data.synthetic.shapes import outline, paint_scene, shape_mask


def scene(seed=0, **settings):
    return paint_scene(np.random.RandomState([seed]), SyntheticSettings(**settings))


def test_pixels_are_the_same_on_every_machine():
    pixels, objects = scene()
    digest = hashlib.sha256(pixels.tobytes() + json.dumps(objects).encode()).hexdigest()
    assert digest[:16] == "4863f2b070ae1c3c"


def test_masks_are_the_shapes():
    assert shape_mask("square", 9).all()
    assert abs(shape_mask("circle", 40).mean() - np.pi / 4) < 0.01
    assert abs(shape_mask("triangle", 40).mean() - 0.5) < 0.02
    ring = outline(shape_mask("square", 9), 2)
    assert ring.sum() == 81 - 25 and not ring[4, 4]


def test_boxes_are_tight_and_settings_are_obeyed():
    for seed in range(20):
        settings = {"noise": 0, "clutter": (0, 0), "objects": (2, 3), "object_size": (12, 30)}
        pixels, objects = scene(seed, **settings)
        empty, none = scene(seed, **settings | {"objects": (0, 0)})
        assert 2 <= len(objects) <= 3 and none == []
        painted = (pixels != empty).any(2)
        for found in objects:
            x, y, w, h = found["bbox"]
            inside = painted[y : y + h, x : x + w]
            assert 10 <= w <= 30 and inside.sum() >= 0.9 * found["area"]
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


def test_registered_once_made_once(tmp_path):
    first = register_synthetic("train", 3, {"image_size": 64}, str(tmp_path))
    made = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")}
    assert register_synthetic("train", 3, {"image_size": 64}, str(tmp_path)) == first
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")} == made and len(made) == 3
    entries = DatasetCatalog.get(first)
    assert MetadataCatalog.get(first).thing_classes == ["circle", "square", "triangle"]
    assert all(Image.open(e["file_name"]).size == (64, 64) for e in entries)
    other = register_synthetic("val", 3, {"image_size": 64}, str(tmp_path))
    pixels = {Image.open(p).tobytes() for p in tmp_path.rglob("*.png")}
    assert other != first and len(pixels) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objekts": [1, 2]}, "no setting"),
        ({"objects": [4, 1]}, r"synthetic.objects=\[4, 1\]"),
        ({"object_size": [10, 500]}, "does not fit"),
        ({"noise": 100}, "noise"),
        ({"noise": 1.5}, "synthetic.noise=1.5: must be an integer"),
        ({"seed": -1}, "synthetic.seed=-1: must be an integer from 0"),
        ({"image_size": 100.5}, "synthetic.image_size=100.5: must be an integer"),
        ({"objects": 3}, r"synthetic.objects=3: must be \[low, high\]"),
        ({"objects": [1, 2, 3]}, r"synthetic.objects=\[1, 2, 3\]"),
        ({"object_size": [10.9, 20]}, r"synthetic.object_size=\[10.9, 20\]"),
    ],
)
def test_bad_settings_are_named(settings, message, tmp_path):
    with pytest.raises(DataError, match=message):
        register_synthetic("train", 1, settings, str(tmp_path))


def test_a_set_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("retina_plugin.data.synthetic.dataset.paint_scene", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        register_synthetic("train", 1, root=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_others_may_read_a_set(tmp_path):
    (tmp_path / "usual").mkdir()
    register_synthetic("train", 1, {"image_size": 64}, str(tmp_path))
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


def test_former_names_go_on_working(tmp_path):
    from retina_plugin.data import SyntheticDials

    assert SyntheticDials is SyntheticSettings
    small = {"image_size": 64}
    new = register_synthetic("train", 1, small, str(tmp_path))
    assert register_synthetic("train", 1, dials=small, root=str(tmp_path)) == new
    with pytest.raises(DataError, match="dials is the former name of settings"):
        register_synthetic("train", 1, small, str(tmp_path), dials=small)
    with pytest.raises(ImportError, match="SyntheticKnobs"):
        from retina_plugin.data import SyntheticKnobs  # noqa: F401
