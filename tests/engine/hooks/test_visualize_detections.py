"""Pictures of ground truth and detections in TensorBoard."""

import numpy as np
from detectron2.config import instantiate
from PIL import Image

from retina_plugin.engine.hooks.visualize_detections import VisualizeDetections


def test_an_image_of_16_bits_looks_like_the_same_image_of_8(tiny_cfg, tmp_path):
    pixels = np.random.RandomState(0).randint(0, 255, (64, 64)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "8.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / "16.png")
    cfg = tiny_cfg()
    hook = VisualizeDetections(cfg, instantiate(cfg.model))
    entry = {"height": 64, "width": 64, "image_id": 1, "annotations": []}
    shallow, deep = (hook.draw(entry | {"file_name": str(tmp_path / name)}) for name in ("8.png", "16.png"))
    assert np.array_equal(shallow, deep)
