import json

import numpy as np
import pytest
from conftest import real_data
from detectron2.data import DatasetCatalog, MetadataCatalog
from PIL import Image

from retina_plugin.analysis.anchors.boxes import resize_of
from retina_plugin.config import get_config
from retina_plugin.data import (
    CheckedDatasetMapper,
    DataError,
    count_classes,
    dataset_metadata,
    register_coco,
)
from retina_plugin.data.coco import register_builtin
from retina_plugin.engine.run_data import record_data


def coco(**changes):
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [5, 6, 20, 10], "area": 200} | {"iscrowd": 0}
        ],
        "categories": [{"id": 7, "name": "cell"}, {"id": 9, "name": "dust"}],
    }
    return content | changes


def write(tmp_path, content):
    path = tmp_path / "instances.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    (tmp_path / "images").mkdir(exist_ok=True)
    return path


def load(tmp_path, content):
    name = register_coco(write(tmp_path, content), tmp_path / "images")
    return DatasetCatalog.get(name)


def annotation(**changes):
    return coco(annotations=[coco()["annotations"][0] | changes])


def test_a_good_file_loads(tmp_path):
    (entry,) = load(tmp_path, coco())
    assert entry["annotations"][0]["category_id"] == 0
    name = str(tmp_path / "instances.json")
    assert count_classes(name) == 2 and dataset_metadata(name).thing_classes == ["cell", "dust"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("{", "is not json"),
        ("[1]", "'images' is not a list"),
        ({"images": []}, "it has no key 'annotations'"),
        (coco(images=[]), "lists no images"),
        (coco(categories=[]), "declares no categories"),
        (coco(images=[{"id": 1, "file_name": "a.png"}]), "entry without 'width'"),
        (annotation(category_id="1"), "annotation 1 has category_id '1', which is not declared"),
        (annotation(category_id=8), "annotation 1 has category_id 8, which is not declared"),
        (annotation(image_id=5), "image_id 5, which is not declared"),
        (coco(categories=[{"id": 7}]), "entry without 'name'"),
        (coco(annotations=[1]), "not in COCO's format"),
        (coco(annotations=coco()["annotations"] * 2), "annotation id 1 twice"),
        (annotation(ignore=1), "annotation 1 is marked 'ignore'"),
        (annotation(bbox=[1, 2, 3]), r"bbox \[1, 2, 3\] instead of four"),
        (annotation(bbox=[1, 2, 3, None]), "instead of four finite"),
        (coco(categories=[{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]), "category id 7 twice"),
    ],
)
def test_bad_files_say_what_is_wrong(content, message, tmp_path):
    with pytest.raises(DataError, match=message):
        load(tmp_path, content)


def test_absent_files_and_folders_are_named(tmp_path):
    name = register_coco(tmp_path / "no.json", tmp_path, hint="fetch it from there")
    with pytest.raises(DataError, match=r"no.json does not exist: fetch it from there"):
        DatasetCatalog.get(name)
    path = write(tmp_path, coco())
    name = register_coco(path, tmp_path / "pictures")
    with pytest.raises(DataError, match=r"pictures, the image folder"):
        DatasetCatalog.get(name)
    with pytest.raises(DataError, match=r"registered as 'bccd_trian'; similar names: \['bccd_train'"):
        dataset_metadata("bccd_trian")


def test_a_name_follows_its_files(tmp_path):
    path = write(tmp_path, coco())
    name = register_coco(path, tmp_path / "images", name="follows")
    assert len(DatasetCatalog.get(name)) == 1
    other = tmp_path / "other.json"
    other.write_text(json.dumps(coco(images=[*coco()["images"], {**coco()["images"][0], "id": 2}])))
    register_coco(other, tmp_path / "images", name="follows")
    assert len(DatasetCatalog.get("follows")) == 2


def test_the_first_category_that_differs_is_named(tmp_path, tiny_cfg):
    names = []
    for place, categories in enumerate((["a", "b"], ["a", "c\n"], ["a"])):
        folder = tmp_path / str(place)
        folder.mkdir()
        categories = [{"id": i, "name": name} for i, name in enumerate(categories, 7)]
        names.append(register_coco(write(folder, coco(categories=categories)), folder / "images"))
    cfg = tiny_cfg("model.num_classes=2")
    cfg.dataloader.train.dataset.names = names[0]
    for other, message in ((1, r"category 2 of .* is b and that of .* is c\\n$"), (2, "is b and that of .* is none")):
        cfg.dataloader.test.dataset.names = names[other]
        with pytest.raises(DataError, match=message):
            record_data(cfg)


@pytest.mark.parametrize("config", ["custom/retinanet_MNV2_FPN.py", "custom/retinanet_R_50_FPN_finetune.py"])
@pytest.mark.parametrize("edges", [[640], [96, 64], [64, 80, 96, 128], [64, 80, 96, 112, 128]])
def test_any_number_of_lengths_resizes_test_images_to_the_largest(config, edges, tmp_path):
    path = write(tmp_path, coco())
    data = [f"data.{s}_{k}={v}" for s in ("train", "val") for k, v in (("json", path), ("images", tmp_path / "images"))]
    cfg = get_config(config, [*data, f"data.short_edge={edges}", "data.max_size=999"])
    assert resize_of(cfg.dataloader.test)((64, 64)) == (max(edges), max(edges))
    record_data(cfg)  # the config of a run holds the number, as earlier ones do
    assert cfg.dataloader.test.mapper.augmentations[0].short_edge_length == max(edges)
    cfg = get_config(config, [*data, "data.short_edge=[]"])
    with pytest.raises(DataError, match="data.short_edge needs at least one length"):
        record_data(cfg)


def test_images_outside_the_folder_need_permission(tmp_path):
    path = write(tmp_path, coco(images=[coco()["images"][0] | {"file_name": "../a.png"}]))
    name = register_coco(path, tmp_path / "images")
    with pytest.raises(DataError, match=r"image 1 has file_name ../a.png, which is not in the image folder"):
        DatasetCatalog.get(name)
    assert register_coco(path, tmp_path / "images", allow_outside=True) == name
    assert len(DatasetCatalog.get(name)) == 1


def test_a_warning_names_the_first_entry_counts_the_others_and_comes_once(tmp_path, caplog):
    first = coco()["annotations"][0]
    annotations = [first | {"id": i, "segmentation": [[1, 2, 3, 4]] if i > 3 else []} for i in range(1, 9)]
    load(tmp_path, coco(annotations=annotations))
    DatasetCatalog.get(str(tmp_path / "instances.json"))
    (message,) = (r.getMessage() for r in caplog.records if r.name.startswith("retina_plugin"))
    assert "annotation 4 (and 4 others) has segmentation [[1, 2, 3, 4]]: it counts" in message


@pytest.mark.parametrize("damage", ["missing", "truncated", "text"])
def test_images_that_cannot_be_read_are_named(damage, tmp_path):
    (entry,) = load(tmp_path, coco())
    image = tmp_path / "images" / "a.png"
    if damage == "truncated":
        rng = np.random.RandomState(0)
        Image.fromarray(rng.randint(0, 255, (48, 64, 3), np.uint8)).save(image)
        image.write_bytes(image.read_bytes()[:3000])
    elif damage == "text":
        image.write_text("no image")
    mapper = CheckedDatasetMapper(is_train=True, augmentations=[], image_format="RGB")
    with pytest.raises(DataError, match="cannot read image .*a.png"):
        mapper(entry)


def test_boxes_out_of_the_image_are_clipped_and_empty_ones_dropped(tmp_path):
    boxes = [[-10, -10, 30, 30], [60, 40, 100, 100], [10, 10, 0, 5], [200, 200, 5, 5]]
    first = coco()["annotations"][0]
    annotations = [first | {"id": i, "bbox": b} for i, b in enumerate(boxes, 1)]
    (entry,) = load(tmp_path, coco(annotations=annotations))
    Image.new("RGB", (64, 48)).save(tmp_path / "images" / "a.png")
    mapper = CheckedDatasetMapper(is_train=True, augmentations=[], image_format="RGB")
    kept = mapper(entry)["instances"].gt_boxes.tensor.tolist()
    assert kept == [[0, 0, 20, 20], [60, 40, 64, 48]]


def test_builtin_sets_say_where_they_belong(tmp_path, monkeypatch):
    def again():
        for name in ("bccd_train", "bccd_val"):
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
        register_builtin()

    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    again()
    with pytest.raises(DataError, match=r"put bccd \(blood cells.*DETECTRON2_DATASETS"):
        DatasetCatalog.get("bccd_train")
    monkeypatch.undo()
    again()


@pytest.mark.parametrize("folder", ["x" * 5000, "~no_such_user/data"])
def test_a_folder_of_data_sets_out_of_reach_is_an_error_of_those_who_use_it(folder, monkeypatch):
    """Importing the package registers the names."""
    monkeypatch.setenv("DETECTRON2_DATASETS", folder)
    monkeypatch.setattr("retina_plugin.data.coco._BUILTIN", {"out_of_reach": "nowhere"})
    register_builtin()
    with pytest.raises(DataError, match="does not exist: put out_of_reach|cannot be read: .*File name too long"):
        count_classes("out_of_reach_train")
    for name in ("out_of_reach_train", "out_of_reach_val"):
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_a_projects_own_name_is_left_alone(tmp_path):
    path = write(tmp_path, coco())
    register_coco(path, tmp_path / "images", name="bccd_train")
    register_builtin()
    try:
        assert MetadataCatalog.get("bccd_train").json_file == str(path)
    finally:
        DatasetCatalog.remove("bccd_train")
        MetadataCatalog.remove("bccd_train")
        register_builtin()


@pytest.mark.parametrize(("name", "classes"), [("bccd", 3), ("coco_mini", 80)])
def test_real_data_load(name, classes):
    real_data(name)
    assert count_classes(f"{name}_train") == classes
    for split in ("train", "val"):
        assert len(DatasetCatalog.get(f"{name}_{split}")) > 20


def test_a_json_that_is_written_again_is_read_again(tmp_path):
    path = write(tmp_path, coco())
    assert count_classes(register_coco(path, tmp_path)) == 2
    write(tmp_path, coco(categories=[{"id": i, "name": str(i)} for i in (7, 8, 9)]))
    assert count_classes(register_coco(path, tmp_path)) == 3


def test_a_loader_of_the_user_is_not_replaced(tmp_path):
    name = f"own {tmp_path}"
    DatasetCatalog.register(name, list)
    with pytest.raises(DataError, match="is registered with a loader of its own: choose another name"):
        register_coco(write(tmp_path, coco()), tmp_path / "images", name)
    assert DatasetCatalog.get(name) == []
    DatasetCatalog.remove(name)


def test_a_data_set_without_names_of_classes_says_how_to_give_them(tmp_path, tiny_cfg):
    name = f"nameless {tmp_path}"
    DatasetCatalog.register(name, list)
    cfg = tiny_cfg()
    cfg.dataloader.train.dataset.names = name
    cfg.model.num_classes = 3
    with pytest.raises(DataError, match="nameless .* has no names of classes: .*set.thing_classes="):
        record_data(cfg)
    DatasetCatalog.remove(name)


def test_classes_that_a_json_does_not_have_are_refused(tmp_path):
    path = write(tmp_path, coco())
    assert count_classes(register_coco(path, tmp_path / "images", classes=["cell", "dust"])) == 2
    name = register_coco(path, tmp_path / "images", classes=["dust", "cell"])
    for _ in range(2):
        with pytest.raises(
            DataError, match=r"categories \['cell', 'dust'\], but classes .* are \['dust', 'cell'\]: leave"
        ):
            count_classes(name)
    with pytest.raises(DataError, match="classes must be a list of different names"):
        register_coco(path, tmp_path / "images", classes="cell")
