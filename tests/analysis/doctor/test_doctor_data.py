import shutil

import damages  # noqa: F401
import damages_of_images  # noqa: F401
import pytest
from conftest import QUICK, TINY, real_data
from damaged_data import DAMAGES, SIZE, Data, write_clean
from detectron2.config import LazyCall
from detectron2.data import DatasetCatalog, MetadataCatalog, transforms
from detectron2.structures import BoxMode
from omegaconf import OmegaConf
from PIL import Image

from retina_plugin.analysis.doctor import examine as examining
from retina_plugin.analysis.doctor.data import image_files
from retina_plugin.analysis.doctor.examine import examine
from retina_plugin.analysis.doctor.reading import coco_set
from retina_plugin.analysis.doctor.reading.image_facts import read_pixels
from retina_plugin.config import get_config


@pytest.fixture(scope="module", autouse=True)
def only_data():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examining, "PARTS", (examining.data,))
        yield


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return write_clean(tmp_path_factory.mktemp("clean") / "data")


@pytest.fixture(scope="module")
def shared_config():
    return get_config(QUICK, TINY)


@pytest.fixture
def config(shared_config):
    """A function of the names of data sets that gives a config. All are one object, because copies take long."""

    def of(names):
        shared_config.dataloader.train.dataset.names, shared_config.dataloader.test.dataset.names = names
        return shared_config

    kept = shared_config.dataloader.train.mapper.augmentations
    yield of
    shared_config.dataloader.train.mapper.augmentations = kept


@pytest.mark.parametrize("name", DAMAGES)
def test_every_fault_is_found(name, clean, tmp_path, config):
    change, code = DAMAGES[name]
    data = Data(clean, tmp_path / "data")
    change(data)
    names = data.register()
    cfg = config(names)
    if "missing" in data.wishes:
        (data.folder / "train.json").unlink()
    if "shrink" in data.wishes:
        resize = LazyCall(transforms.ResizeShortestEdge)(short_edge_length=[8, 16], max_size=999)
        cfg.dataloader.train.mapper.augmentations = OmegaConf.create([resize], flags={"allow_objects": True})
    found = examine(cfg)
    codes = [finding.code for finding in found]
    assert code in codes and "check-failed" not in codes, codes
    assert all(finding.message and finding.where and finding.fix for finding in found)


@pytest.mark.parametrize(
    "look",
    [
        {},
        {"seed": 1, "first_id": 0, "low": 3, "high": 9},
        {"seed": 2, "low": 40, "high": 62},
        {"seed": 3, "low": 56, "high": 64, "objects": 2, "number": 12},
    ],
    ids=["usual", "small, ids from 0", "large", "nearly whole images"],
)
def test_clean_data_have_no_findings(look, tmp_path, config):
    data = Data(write_clean(tmp_path / "clean", **look), tmp_path / "data")
    found = examine(config(data.register()))
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bccd", set()), ("coco_mini", {"class-only-in-test", "class-only-in-train", "class-without-boxes"})],
)
def test_real_data_have_no_warnings_but_true_ones(name, expected, config):
    """coco_mini has 53 images for 80 classes."""
    real_data(name)
    cfg = config((f"{name}_train", f"{name}_val"))
    assert {finding.code for finding in examine(cfg) if finding.severity != "hint"} == expected


def test_copies_are_found_by_their_bytes_where_not_all_pixels_are_read(clean, tmp_path, config, monkeypatch):
    for module in (coco_set, image_files):
        monkeypatch.setattr(module, "MOST_PIXELS", 1)
    data = Data(clean, tmp_path / "data")
    shutil.copyfile(data.image(6), data.image(3, "val"))
    shutil.copyfile(data.image(0), data.image(0, "val"))  # of which the pixels are read as well
    found = {finding.code: finding for finding in examine(config(data.register()))}
    assert found.keys() == {"images-sampled", "leak-identical"} and found["leak-identical"].message.startswith(
        "2 pairs"
    )
    assert "train1.png and " in found["leak-identical"].where and "(and 1 other)" in found["leak-identical"].where


def test_grey_images_are_only_told_from_others(clean, tmp_path, config):
    data = Data(clean, tmp_path / "data")
    for path in (data.folder / "images").iterdir():
        Image.open(path).convert("L").save(path)
    assert not examine(config(data.register()))


def test_data_without_a_json_are_examined_too(clean, config):
    def dicts(first):
        box = {"bbox": [10, 10, 30, 90], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0}
        size = {"width": SIZE, "height": SIZE, "annotations": [box]}
        return [{"file_name": str(clean / f"images/train{i}.png"), "image_id": i, **size} for i in (first, first + 1)]

    names = ("plain_train", "plain_val")
    for first, name in enumerate(names, 1):
        DatasetCatalog.register(name, lambda first=first: dicts(first))
        MetadataCatalog.get(name).set(thing_classes=["cell"])
    found = {finding.code: finding for finding in examine(config(names))}
    assert found.keys() == {"box-partly-outside", "leak-same-file", "class-rare"}
    assert "1 of 2" in found["leak-same-file"].message and "[10.0, 10.0, 20.0, 80.0]" in str(found)


def test_boxes_of_images_without_a_size_are_not_counted_as_none(clean, config):
    """Detectron2's mapper finds the size in the file."""

    def dicts():
        box = {"bbox": [10, 10, 30, 30], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0}
        return [{"file_name": str(clean / f"images/train{i}.png"), "image_id": i, "annotations": [box]} for i in (1, 2)]

    DatasetCatalog.register("without_size", dicts)
    MetadataCatalog.get("without_size").set(thing_classes=["cell"])
    cfg = config(("without_size", "without_size"))
    assert "no-annotations" not in {finding.code for finding in examine(cfg, quick=True)}


def test_an_image_of_two_colours_of_one_brightness_is_not_blank(tmp_path):
    image = Image.new("RGB", (SIZE, SIZE), (90, 90, 90))
    assert pixels_of(tmp_path, image).spread == 0
    image.paste((250, 20, 20), (0, 0, SIZE // 2, SIZE))
    assert pixels_of(tmp_path, image).spread > 10


def pixels_of(folder, image):
    image.save(folder / "a.png")
    return read_pixels(folder / "a.png")
