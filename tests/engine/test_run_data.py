"""Messages about files of own data name the key of the config."""

import json

import pytest
from conftest import train_args
from PIL import Image

from retina_plugin.commands.analysis.doctor import doctor
from retina_plugin.config import get_config
from retina_plugin.data import DataError
from retina_plugin.engine import main
from retina_plugin.engine.run_data import run_metadata

CONFIG = "custom/retinanet_MNV2_FPN.py"


@pytest.fixture
def own_data(tmp_path):
    """Overrides for two json files and their image folder."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "data" / "images" / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 20, 20], "area": 400, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "x"}],
    }
    for part in ("train", "val"):
        (tmp_path / "data" / f"{part}.json").write_text(json.dumps(content))
    files = {"json": "{}.json", "images": "images"}
    return [f"data.{p}_{k}={tmp_path}/data/{v.format(p)}" for p in ("train", "val") for k, v in files.items()]


def test_a_config_without_a_run_has_the_names_and_ids_of_its_test_data(own_data, tiny_cfg, tmp_path):
    """Detections of a config and its weights would have labels in place of category ids."""
    content = json.loads((tmp_path / "data" / "val.json").read_text())
    content["categories"], content["annotations"][0]["category_id"] = (
        [{"id": 9, "name": "x"}, {"id": 4, "name": "y"}],
        9,
    )
    (tmp_path / "data" / "val.json").write_text(json.dumps(content))
    coco = get_config("COCO-Detection/retinanet_R_50_FPN_1x.py")
    for cfg, names, ids in (
        (tiny_cfg(), ["circle", "square", "triangle"], [1, 2, 3]),
        (get_config(CONFIG, own_data), ["y", "x"], [4, 9]),
        (coco, ["person", "bicycle", "car"], [1, 2, 3]),
    ):
        assert run_metadata(cfg).thing_classes[:3] == names and run_metadata(cfg).category_ids[:3] == ids
    assert run_metadata(coco).category_ids[-1] == 90
    assert not run_metadata(get_config(CONFIG)).get("thing_classes")  # data.val_json is missing
    assert not run_metadata(tiny_cfg("dataloader.test.dataset.names=null")).get("thing_classes")


@pytest.mark.parametrize("classes", [[], ["model.num_classes=1"]], ids=["counted", "given"])
@pytest.mark.parametrize("key", ["data.train_images", "data.val_images"])
def test_a_json_with_two_image_folders_names_the_wrong_one(own_data, tmp_path, key, classes):
    args = train_args(tmp_path, config_file=CONFIG)
    folder = f"{tmp_path}/data"
    args.opts = [*own_data, f"data.val_json={folder}/train.json", f"{key}={folder}", *classes]
    with pytest.raises(DataError, match=rf"^{key}=\S*data has none of the images of .*, such as a.png"):
        main(args)


@pytest.mark.parametrize(
    "on_disk, advice", [("a.PNG", r"on the disk is a.PNG, and case counts"), ("b.png", "name the")]
)
def test_a_name_in_another_case_is_said_so(own_data, tmp_path, on_disk, advice):
    (tmp_path / "data" / "images" / "a.png").rename(tmp_path / "data" / "images" / on_disk)
    args = train_args(tmp_path, config_file=CONFIG)
    args.opts = own_data
    with pytest.raises(DataError, match=rf"such as a.png: .*{advice}"):
        main(args)


def test_a_broken_link_is_not_blamed_on_its_case(own_data, tmp_path):
    image = tmp_path / "data" / "images" / "a.png"
    image.unlink()
    image.symlink_to("gone.png")
    args = train_args(tmp_path, config_file=CONFIG)
    args.opts = own_data
    with pytest.raises(DataError, match="such as a.png: name the folder"):
        main(args)


def test_a_folder_above_or_below_that_has_the_images_is_proposed(own_data, tmp_path):
    args = train_args(tmp_path, config_file=CONFIG)
    (tmp_path / "data" / "images" / "thumbs").mkdir()
    for name, folder in ("data", "images"), ("data/images/thumbs", "images"):
        args.opts = [*own_data, f"data.train_images={tmp_path}/{name}"]
        with pytest.raises(DataError, match=rf"such as a.png: did you mean {tmp_path}/data/{folder}\?"):
            main(args)


@pytest.mark.parametrize(
    "override, message",
    [
        (
            "data.train_json={}/trian.json",
            r"data.train_json=\S*trian.json does not exist; did you mean \S*train.json\?",
        ),
        ("data.val_json={}/vall.json", r"data.val_json=\S*vall.json does not exist"),
        ("data.val_images={}/imagse", r"data.val_images=\S*imagse, the image folder of \S*val.json, is not a folder"),
        (
            "data.train_images={}/train.json",
            r"data.train_images=\S*train.json, the image folder of .*, is not a folder",
        ),
        ("data.train_images={}", r"data.train_images=\S*data has none of the images of \S*train.json, such as a.png"),
        ("data.val_images={}", r"data.val_images=\S*data has none of the images of \S*val.json, such as a.png"),
    ],
)
def test_a_training_names_the_key_of_a_wrong_path_and_leaves_no_run_folder(own_data, tmp_path, override, message):
    args = train_args(tmp_path, config_file=CONFIG)
    args.opts = [*own_data, override.format(tmp_path / "data"), f"train.output_dir={tmp_path}/run"]
    with pytest.raises(DataError, match=f"^{message}"):
        main(args)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_the_doctor_names_the_key_of_a_wrong_path_too(own_data, tmp_path):
    found = doctor(CONFIG, [*own_data, f"data.train_json={tmp_path}/data/trian.json"], quick=True)
    assert {f.code for f in found if f.severity == "error"} == {"json-missing"}
    assert all(f.message.startswith("data.train_json=") for f in found if f.code == "json-missing")


def test_the_doctor_finds_the_folder_of_images(own_data, tmp_path):
    found = doctor(CONFIG, [*own_data, f"data.train_images={tmp_path}/data"], quick=True)
    (missing,) = (f for f in found if f.code == "image-missing")
    assert missing.fix == f"the first is there if the image folder is {tmp_path}/data/images"


@pytest.mark.parametrize("split", ["train", "test"])
def test_no_data_set_is_refused_by_its_key(split, tmp_path):
    with pytest.raises(DataError, match=f"dataloader.{split}.dataset.names has no name of a data set"):
        main(train_args(tmp_path / "run", f"dataloader.{split}.dataset.names=[]"))
