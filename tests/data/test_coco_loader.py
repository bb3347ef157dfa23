"""A json is parsed once to check it and give its classes, and once more when it is loaded."""

import json

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json

import retina_plugin.data.coco_json.loader as coco_loader
from retina_plugin.analysis.doctor.reading.coco_set import CocoSet
from retina_plugin.data import DataError, count_classes, dataset_metadata, register_coco


@pytest.fixture
def calls(monkeypatch):
    """Names of the functions that read a json, in the order of their calls."""
    seen = []
    for read in (coco_loader.read_coco_json, coco_loader.load_coco_json):
        monkeypatch.setattr(coco_loader, read.__name__, _counted(read, seen))
    return seen


def _counted(read, seen):
    return lambda *args: seen.append(read.__name__) or read(*args)


@pytest.fixture
def instances(tmp_path):
    """A json of one image and two categories, the one with the higher id first."""
    (tmp_path / "images").mkdir()
    boxes = [{"id": 1, "image_id": 1, "category_id": 9, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 0}]
    categories = [{"id": 9, "name": "dust"}, {"id": 7, "name": "cell"}]
    images = [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return path


def test_classes_are_known_without_loading_and_the_check_is_not_repeated(calls, instances):
    name = register_coco(instances, instances.parent / "images")
    assert count_classes(name) == 2 and calls == ["read_coco_json"]
    first, second = DatasetCatalog.get(name), DatasetCatalog.get(name)
    assert first == second and calls == ["read_coco_json", "load_coco_json", "load_coco_json"]


def test_the_check_gives_the_metadata_that_detectron2_gives(instances):
    name = register_coco(instances, instances.parent / "images")
    ours = dataset_metadata(name).as_dict()
    load_coco_json(str(instances), str(instances.parent / "images"), "upstream")
    theirs = MetadataCatalog.get("upstream").as_dict()
    MetadataCatalog.remove("upstream")
    for key in ("thing_classes", "thing_dataset_id_to_contiguous_id"):
        assert ours[key] == theirs[key] and list(ours[key]) == list(theirs[key])


def test_a_json_that_changes_is_checked_again(calls, instances):
    name = register_coco(instances, instances.parent / "images")
    DatasetCatalog.get(name)
    instances.write_text(json.dumps(json.loads(instances.read_text()) | {"images": []}))
    with pytest.raises(DataError, match="lists no images"):
        DatasetCatalog.get(name)
    assert calls.count("read_coco_json") == 2


def test_ids_that_were_set_before_and_differ_are_refused_every_time(instances):
    name = register_coco(instances, instances.parent / "images")
    MetadataCatalog.get(name).set(thing_dataset_id_to_contiguous_id={1: 0})
    for _ in range(2):
        with pytest.raises(DataError, match="cannot be read by Detectron2: AssertionError"):
            count_classes(name)


def test_the_doctor_asks_the_loader(calls, instances):
    name = register_coco(instances, instances.parent / "images")
    assert CocoSet(name).refused is None and calls == []  # the doctor has read the content, which it needs itself
    loader = DatasetCatalog[name]
    DatasetCatalog.remove(name)
    DatasetCatalog.register(name, lambda: loader())  # of a user, around ours
    assert CocoSet(name).refused is None and calls == ["load_coco_json"]
    other = register_coco(instances, instances.parent / "images", name="renamed", classes=["cell", "mote"])
    assert "has the categories ['cell', 'dust'], but classes" in str(CocoSet(other).refused)
