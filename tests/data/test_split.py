"""The two parts of a data set: disjoint, complete, and stable when images are added."""

import json

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from retina_plugin.data import DataError, dataset_metadata, register_coco, register_split, register_synthetic


@pytest.fixture
def source(tmp_path):
    return register_synthetic("train", 40, {"image_size": 64, "object_size": [8, 32]}, str(tmp_path))


def ids(dataset):
    return {entry["image_id"] for entry in DatasetCatalog.get(dataset)}


def test_every_image_is_in_one_part(source, tmp_path):
    held_out, rest = (ids(register_split(source, part, 0.3, str(tmp_path))) for part in ("held_out", "rest"))
    assert held_out | rest == ids(source) and not held_out & rest and 4 < len(held_out) < 20


def test_objects_stay_with_their_images(source, tmp_path):
    whole = {entry["image_id"]: entry["annotations"] for entry in DatasetCatalog.get(source)}
    for part in ("held_out", "rest"):
        for entry in DatasetCatalog.get(register_split(source, part, root=str(tmp_path))):
            assert [a["bbox"] for a in entry["annotations"]] == [a["bbox"] for a in whole[entry["image_id"]]]


def test_an_image_stays_in_its_part_when_others_go(source, tmp_path):
    json_file = dataset_metadata(source).json_file
    with open(json_file) as f:
        content = json.load(f)
    content["images"] = content["images"][:20]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    (tmp_path / "few.json").write_text(json.dumps(content))
    few = register_coco(tmp_path / "few.json", dataset_metadata(source).image_root)
    before, after = (ids(register_split(name, "held_out", root=str(tmp_path))) for name in (source, few))
    assert after == before & kept


@pytest.mark.parametrize(
    ("part", "share", "message"),
    [("test", 0.2, "part must be one of"), ("rest", 1.0, "share between 0 and 1"), ("held_out", 1e-9, "no image")],
)
def test_bad_parts_are_refused(source, tmp_path, part, share, message):
    with pytest.raises(DataError, match=message):
        register_split(source, part, share, str(tmp_path))


def test_a_json_without_annotations_is_refused_by_name(tmp_path):
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"images": [{"id": 1}], "categories": [{"id": 1, "name": "a"}]}))
    name = register_coco(path, tmp_path)
    MetadataCatalog.get(name).thing_classes = ["a"]
    with pytest.raises(DataError, match="test.json is not in COCO's format: it has no key 'annotations'"):
        register_split(name, "rest", root=tmp_path)
