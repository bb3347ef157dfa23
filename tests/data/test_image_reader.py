"""Images are read as Detectron2 reads them, except that more than 8 bits are scaled instead of clipped."""

import numpy as np
import pytest
from detectron2.data import DatasetMapper, detection_utils
from detectron2.data import transforms as T
from PIL import Image

from retina_plugin.analysis.doctor.reading.image_facts import read_header
from retina_plugin.config import ConfigError
from retina_plugin.data import CheckedDatasetMapper, DataError, read_image
from retina_plugin.engine.train import do_train

PIXELS = np.random.RandomState(0).randint(0, 256, (31, 47, 4), np.uint8)
COLOUR = Image.fromarray(PIXELS[:, :, :3])


@pytest.fixture
def exif():
    tags = Image.Exif()
    tags[274] = 6
    return tags


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "LA", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("format", ["RGB", "BGR", "L", "YUV-BT.601", None])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_pixels_of_8_bits_are_those_of_detectron2(mode, format, suffix, tmp_path, exif):
    image, path = COLOUR.convert(mode), tmp_path / f"a.{suffix}"
    try:
        image.save(path, exif=Image.Exif() if suffix == "tif" else exif)  # Detectron2 rotates TIFFs twice
    except OSError:
        pytest.skip(f"{suffix} does not hold {mode}")
    expected = detection_utils.read_image(str(path), format)
    found = read_image(path, format)
    assert found.dtype == expected.dtype and found.shape == expected.shape and np.array_equal(found, expected)
    assert found.shape[:2] == ((31, 47) if suffix == "tif" else (47, 31))


def test_a_tiff_is_rotated_once(tmp_path, exif):
    for suffix in ("png", "tif"):
        COLOUR.save(tmp_path / f"a.{suffix}", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.tif"), read_image(tmp_path / "a.png"))


def test_the_mapper_gives_what_detectron2s_gives(tmp_path):
    path = tmp_path / "a.jpg"
    COLOUR.save(path)
    box = {"bbox": [3, 4, 20, 12], "bbox_mode": 1, "category_id": 2, "iscrowd": 0}
    entry = {"file_name": str(path), "image_id": 1, "width": 47, "height": 31, "annotations": [box]}
    options = {"augmentations": [T.ResizeShortestEdge(40), T.RandomFlip(prob=1.0)], "image_format": "BGR"}
    expected, found = (kind(is_train=True, **options)(entry) for kind in (DatasetMapper, CheckedDatasetMapper))
    assert found["image"].equal(expected["image"]) and found.keys() == expected.keys()
    assert found["instances"].gt_boxes.tensor.equal(expected["instances"].gt_boxes.tensor)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_format_that_no_image_has_is_named_by_its_key(split, tiny_cfg, tmp_path):
    cfg = tiny_cfg(f"dataloader.{split}.mapper.image_format=XX")
    with pytest.raises(ValueError, match=r"image_format .* got 'XX': .* dataloader.train.mapper.image_format"):
        do_train(cfg)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="dataloader.test.mapper.image_fromat"):
        tiny_cfg("+dataloader.test.mapper.image_fromat=RGB")


@pytest.mark.parametrize("format", ["RGB", "L"])
def test_16_bits_are_scaled_and_rotated(format, tmp_path, exif):
    deep = np.arange(0, 65536, 512, np.uint16).reshape(8, 16)
    Image.fromarray(deep).save(tmp_path / "a.png", exif=exif)
    expected = np.rot90((deep / 257).round(), -1)
    assert (read_image(tmp_path / "a.png", format) == expected[:, :, None]).all()


def test_a_folder_of_12_bit_images_is_warned_about_once(tmp_path, caplog):
    for name, value in (("black", 0), ("first", 4095), ("second", 1000)):
        Image.fromarray(np.full((8, 8), value, np.uint16)).save(tmp_path / f"{name}.png")
        read_image(tmp_path / f"{name}.png", "RGB")
    (message,) = (record.getMessage() for record in caplog.records)
    assert "first.png" in message and "multiply their values by 16" in message


def test_dark_images_of_8_bits_and_bright_ones_of_16_are_fine(tmp_path, caplog):
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((8, 8), 4096, np.uint16)).save(tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        read_image(tmp_path / name, "BGR")
    assert not caplog.records


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_the_doctor_knows_the_size_with_which_an_image_is_read(suffix, tmp_path, exif):
    COLOUR.save(tmp_path / f"a.{suffix}", exif=exif)
    header = read_header(tmp_path / f"a.{suffix}")
    assert header.size == COLOUR.size
    assert header.read_size == read_image(tmp_path / f"a.{suffix}").shape[1::-1] == COLOUR.size[::-1]


def test_the_size_before_a_rotation_is_recognised(tmp_path, exif):
    COLOUR.save(tmp_path / "a.jpg", exif=exif)
    mapper = CheckedDatasetMapper(is_train=False, augmentations=[], image_format="RGB")
    entry = {"file_name": str(tmp_path / "a.jpg"), "image_id": 1, "width": 47, "height": 31}
    with pytest.raises(DataError, match=r"a.jpg has 31 x 47 pixels, .* says 47 x 31, exchanged or from before the rot"):
        mapper(entry)
