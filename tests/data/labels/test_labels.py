"""Labels of PASCAL VOC and YOLO become the same COCO json, and what is wrong with them is named."""

import json
import re
import shutil
import struct
import sys
import zlib
from pathlib import Path
from xml.etree import ElementTree

import forked
import pytest
from conftest import TINY
from detectron2.data import DatasetCatalog, MetadataCatalog
from omegaconf import ListConfig
from PIL import ExifTags, Image

from retina_plugin.analysis.doctor.data.loading import same_categories
from retina_plugin.analysis.doctor.subject import Subject
from retina_plugin.commands.analysis.doctor import findings_of
from retina_plugin.config import get_config
from retina_plugin.data import DataError, dataset_metadata, read_image, register_coco
from retina_plugin.data.labels import as_coco_json, convert
from retina_plugin.engine.run_data import record_data

BOXES = {"a": [("cat", (10, 4, 30, 40)), ("dog", (0, 0, 64, 48))], "b": [], "c": [("dog", (4, 8, 12, 16))]}
XML = "<annotation><size><width>64</width><height>48</height></size>{}</annotation>"
OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
    "<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for name in BOXES:
        Image.new("RGB", (64, 48), (9, 9, 9)).save(tmp_path / "images" / f"{name}.png")
    return tmp_path / "images"


@pytest.fixture
def voc(tmp_path, images):
    folder = tmp_path / "Annotations"
    folder.mkdir()
    for name, boxes in BOXES.items():  # corners from 1: xmin and ymin are one more
        objects = [OBJECT.format(c, 0, x + 1, y + 1, x + w, y + h) for c, (x, y, w, h) in boxes]
        (folder / f"{name}.xml").write_text(XML.format("".join(objects)))
    return folder


@pytest.fixture
def yolo(tmp_path, images):
    folder = tmp_path / "labels"
    folder.mkdir()
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}\nnc: 2\n")
    for name in ("a", "c"):  # b is background without a file
        lines = [
            f"{int(c == 'dog')} {(x + w / 2) / 64} {(y + h / 2) / 48} {w / 64} {h / 48}"
            for c, (x, y, w, h) in BOXES[name]
        ]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n\n")
    return folder


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_boxes_classes_and_background_are_read(kind, images, request):
    labels = request.getfixturevalue(kind)
    name = register_coco(labels, images)
    found = {d["file_name"].rpartition("/")[2][0]: d for d in DatasetCatalog.get(name)}
    assert dataset_metadata(name).thing_classes == ["cat", "dog"]
    for image, boxes in BOXES.items():
        entry = found[image]
        assert (entry["width"], entry["height"]) == (64, 48)
        read = [(["cat", "dog"][a["category_id"]], tuple(a["bbox"])) for a in entry["annotations"]]
        assert [c for c, _ in read] == [c for c, _ in boxes]
        assert all(box == pytest.approx(b) for (_, box), (_, b) in zip(read, boxes, strict=True))


def test_the_json_is_written_once_and_anew_when_labels_change(voc, images):
    first = as_coco_json(voc, images)
    changed = first.stat().st_mtime_ns
    assert as_coco_json(voc, images) == first and first.stat().st_mtime_ns == changed
    (voc / "a.xml").write_text(XML.format(""))
    assert as_coco_json(voc, images) != first
    name = register_coco(voc, images)
    assert MetadataCatalog.get(name).json_file != str(first)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("voc", lambda root: (root / "Annotations" / "a.xml").write_text(XML.format(""))),
        ("voc", lambda root: (root / "images" / "b.png").rename(root / "images" / "b.bmp")),
        ("yolo", lambda root: (root / "labels" / "b.txt").write_text("0 .5 .5 .1 .1")),
        ("yolo", lambda root: (root / "images" / "b.png").unlink()),
        ("yolo", lambda root: (root / "data.yaml").write_text("names: [cow, dog]")),
    ],
    ids=["label", "image name", "new label", "no image", "class"],
)
def test_labels_are_read_again_only_if_a_file_has_changed(kind, change, images, request, monkeypatch):
    labels, read = request.getfixturevalue(kind), []
    reader = getattr(convert, f"read_{kind}")
    monkeypatch.setattr(convert, f"read_{kind}", lambda *args: read.append(args) or reader(*args))
    first = as_coco_json(labels, images)
    assert as_coco_json(str(labels), images) == first and len(read) == 1
    change(labels.parent)
    second = as_coco_json(labels, images)
    assert second != first and len(read) == 2
    second.unlink()
    assert as_coco_json(labels, images, None).is_file() and len(read) == 3
    as_coco_json(labels, images, ["dog", "cat", "cow"])
    assert len(read) == 4


def test_every_file_of_voc_is_parsed_once(voc, images, monkeypatch):
    parsed, parse = [], ElementTree.parse
    monkeypatch.setattr(ElementTree, "parse", lambda path: parsed.append(path.name) or parse(path))
    as_coco_json(voc, images)
    assert sorted(parsed) == ["a.xml", "b.xml", "c.xml"]


def test_a_list_of_voc_names_its_images_and_all_lists_agree_on_classes(voc, images):
    lists = voc.parent / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("c\nb  -1\n\n")
    content = json.loads(as_coco_json(lists / "train.txt", images).read_text())
    assert [x["file_name"] for x in content["images"]] == ["c.png", "b.png"]
    assert [c["name"] for c in content["categories"]] == ["cat", "dog"]
    (lists / "train.txt").write_text("z\n")
    with pytest.raises(DataError, match=r"train.txt: 1 labels do not exist, such as .*z.xml"):
        as_coco_json(lists / "train.txt", images)


def test_names_in_a_list_of_voc_may_have_spaces(voc, images):
    lists = voc.parent / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (voc / "a.xml").rename(voc / "my photo 1.xml")
    (images / "a.png").rename(images / "my photo 1.png")
    for line in ("my photo 1", "  my photo 1  -1"):
        (lists / "train.txt").write_text(f"b  1\n{line}\n")
        content = json.loads(as_coco_json(lists / "train.txt", images).read_text())
        assert [x["file_name"] for x in content["images"]] == ["b.png", "my photo 1.png"]


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_hidden_files_are_left_out(kind, images, request, caplog):
    labels = request.getfixturevalue(kind)
    before = json.loads(as_coco_json(labels, images).read_text())
    for folder in (labels, images):
        (folder / ".ipynb_checkpoints").mkdir()
        for path in [path for path in folder.iterdir() if path.is_file()]:
            (folder / f"._{path.name}").write_bytes(b"Mac OS X")
            shutil.copy(path, folder / ".ipynb_checkpoints" / f"{path.stem}-checkpoint{path.suffix}")
    assert json.loads(as_coco_json(labels, images).read_text()) == before and not caplog.records


def test_difficult_objects_of_voc_neither_train_nor_count(voc, images):
    (voc / "a.xml").write_text(XML.format(OBJECT.format("cat", 1, 1, 1, 9, 9)))
    content = json.loads(as_coco_json(voc, images).read_text())
    assert [a["iscrowd"] for a in content["annotations"]] == [1, 0]


def test_a_polygon_of_yolo_becomes_its_box(yolo, images):
    (yolo / "b.txt").write_text("0 .25 .5 .75 .5 .5 .75\n")
    content = json.loads(as_coco_json(yolo, images).read_text())
    (box,) = [a["bbox"] for a in content["annotations"] if a["image_id"] == 2]
    assert box == [16, 24, 32, 12]


def test_one_folder_of_yolo_labels_serves_two_folders_of_images(yolo, images):
    (images.parent / "val").mkdir()
    (images / "c.png").rename(images.parent / "val" / "c.png")
    names = [register_coco(yolo, folder) for folder in (images, images.parent / "val")]
    files = [[Path(d["file_name"]).name for d in DatasetCatalog.get(name)] for name in names]
    assert files == [["a.png", "b.png"], ["c.png"]]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_on_its_side_has_the_size_with_which_it_is_read(yolo, images, suffix, orientation):
    (images / "a.png").unlink()
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (64, 48)).save(images / f"a.{suffix}", exif=tags)
    content = json.loads(as_coco_json(yolo, images).read_text())
    height, width = read_image(images / f"a.{suffix}").shape[:2]
    assert (width, height) == ((64, 48) if orientation < 5 else (48, 64))
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (width, height)
    box = [10 / 64 * width, 4 / 48 * height, 30 / 64 * width, 40 / 48 * height]
    assert content["annotations"][0]["bbox"] == pytest.approx(box)


@pytest.mark.parametrize(
    "line, message",
    [
        ("0 .5 .5 .1", "neither a class with"),
        ("cat .5 .5 .1 .1", "neither a class with"),
        ("2 .5 .5 .1 .1", "class 2 is not in 0 to 1"),
        ("0 32 24 10 10", "must have shares of the image, not pixels"),
        ("0 -300 0.5 0.1 0.1", "must have shares of the image, not pixels"),
        ("0 .5 .5 -.1 .1", "has a negative width or height"),
        ("0 .5 nan .1 .1", "neither a class with"),
        ("inf .5 .5 .1 .1", "neither a class with"),
    ],
)
def test_a_bad_line_of_yolo_is_named(yolo, images, line, message):
    (yolo / "a.txt").write_text("0 .5 .5 .1 .1\n" + line)
    with pytest.raises(DataError, match=f"a.txt, line 2: .*{message}"):
        as_coco_json(yolo, images)


@pytest.mark.parametrize(
    "text, message",
    [
        ("<annotation>", "a.xml is not a label file of PASCAL VOC"),
        ('<?xml version="1.0" encoding="mine"?><annotation/>', "a.xml is not a label file .*unknown encoding: mine"),
        ("<annotation/>", "a.xml: annotation has no size/width"),
        (XML.replace("64", "0"), "a.xml: size is 0 x 48: write the width and height"),
        (XML.format("<object><name>cat</name></object>"), "object has no bndbox/xmin"),
        (XML.format(OBJECT.format("cat", 0, "x", 1, 9, 9)), "bndbox/xmin is x, which is not a finite number"),
        (XML.replace("64", "nan").format(""), "size/width is nan, which is not a finite number"),
        (
            XML.format(OBJECT.format("cat", 0, 20, 1, 9, 9)),
            r"a.xml, object 1: a box from \(20, 1\) to \(9, 9\): swap its corners",
        ),
    ],
)
def test_a_bad_file_of_voc_is_named(voc, images, text, message):
    (voc / "a.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        as_coco_json(voc, images)


@pytest.mark.parametrize("file", ["data.yaml", "labels/a.txt"])
def test_text_that_is_not_utf8_is_named(yolo, images, tmp_path, file):
    (tmp_path / file).write_bytes("é".encode("latin-1"))
    with pytest.raises(DataError, match=f"{Path(file).name} cannot be read as text in UTF-8"):
        as_coco_json(yolo, images)


def test_names_of_yolo_are_a_list_of_words(yolo, images, tmp_path):
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("\ufeffcat\ndog\n", encoding="utf-8")
    content = json.loads(as_coco_json(yolo, images).read_text())
    assert [c["name"] for c in content["categories"]] == ["cat", "dog"]
    for names in ("cat", "[yes, no]"):
        (tmp_path / "data.yaml").write_text(f"names: {names}\n")
        with pytest.raises(
            DataError, match=r"data.yaml: names is .*: write a list, with yes, no, on and off in quotes"
        ):
            as_coco_json(yolo, images)


def test_labels_of_yolo_may_all_lie_in_folders_below(yolo, images):
    (yolo / "below").mkdir()
    (images / "below").mkdir()
    for path in (*yolo.glob("*.txt"), *images.glob("*.png")):
        path.rename(path.parent / "below" / path.name)
    content = json.loads(as_coco_json(yolo, images).read_text())
    assert len(content["annotations"]) == 3


def test_a_stray_xml_makes_no_folder_of_voc(yolo, images):
    (yolo / "a.xml").write_text("<annotation/>")
    with pytest.raises(DataError, match="has 1 .xml and 2 .txt files: move one kind away"):
        as_coco_json(yolo, images)


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".Png"])
def test_images_of_voc_have_any_suffix(voc, images, suffix):
    Image.open(images / "a.png").save(images / f"a{suffix}")
    (images / "a.png").unlink()
    content = json.loads(as_coco_json(voc, images).read_text())
    assert content["images"][0]["file_name"] == f"a{suffix}"


def test_an_absent_folder_of_images_has_the_code_of_that_fault(yolo, tmp_path):
    with pytest.raises(DataError, match="no_images, the image folder of .*labels, is not a folder") as caught:
        register_coco(yolo, tmp_path / "no_images")
    assert caught.value.code == "image-folder-missing"


def test_a_list_that_does_not_exist_is_named(images):
    with pytest.raises(DataError, match="trian.txt, a list of images, does not exist"):
        as_coco_json(images / "trian.txt", images)


def test_the_root_of_a_voc_data_set_and_data_yaml_lead_to_the_labels(voc, yolo, images, tmp_path):
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_text("a\n")
    with pytest.raises(DataError, match="root of a PASCAL VOC data set: name its folder Annotations"):
        as_coco_json(tmp_path, images)
    with pytest.raises(DataError, match=r"data.yaml holds no labels: name the folder of YOLO's .txt files"):
        as_coco_json(tmp_path / "data.yaml", images)


def test_classes_may_be_given_and_are_asked_for(voc, yolo, images, tmp_path):
    content = json.loads(as_coco_json(voc, images, ["dog", "cat", "cow"]).read_text())
    assert [c["name"] for c in content["categories"]] == ["dog", "cat", "cow"]
    with pytest.raises(DataError, match="class cat is not one of"):
        as_coco_json(voc, images, ["dog"])
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(DataError, match="put data.yaml or classes.txt beside it"):
        as_coco_json(yolo, images)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert as_coco_json(yolo, images).is_file()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="is a folder without labels"):
        as_coco_json(empty, images)


def test_a_class_that_only_one_folder_of_voc_has_comes_with_the_override_that_helps(voc, images):
    val = voc.parent / "val"
    shutil.copytree(voc, val)
    (val / "a.xml").write_text(XML.format(OBJECT.format("traffic light", 0, 1, 1, 9, 9)))
    data = [
        f"data.{s}_{k}={v}" for s, j in (("train", voc), ("val", val)) for k, v in (("json", j), ("images", images))
    ]
    override = "data.classes=[cat,dog,'traffic light']"
    cfg = get_config("custom/retinanet_MNV2_FPN.py", data)
    (found,) = same_categories(Subject(cfg))
    assert found.fix == override
    with pytest.raises(DataError, match=f"is cat and that of .* is dog: set {re.escape(override)}$"):
        record_data(cfg)
    cfg = get_config("custom/retinanet_MNV2_FPN.py", [*data, override])
    record_data(cfg)
    assert cfg.metadata.thing_classes == ["cat", "dog", "traffic light"]


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_the_config_of_custom_data_trains_on_them(kind, images, request, tmp_path, unseen_figures):
    labels = request.getfixturevalue(kind)
    data = [f"data.{s}_{k}={v}" for s in ("train", "val") for k, v in (("json", labels), ("images", images))]
    opts = [o for o in TINY if not o.startswith(("synthetic", "dataloader.train.dataset", "dataloader.test.dataset"))]
    argv = ["train", "--config-file", "custom/retinanet_MNV2_FPN.py", *data, *opts, f"train.output_dir={tmp_path}/run"]
    done = forked.run([sys.executable, "-m", "retina_cli", *argv], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "bbox/AP-cat" in (tmp_path / "run" / "metrics.json").read_text()


def test_label_files_without_an_image_are_counted(yolo, images, caplog):
    (yolo / "classes.txt").write_text("cat\ndog\n")
    as_coco_json(yolo, images)
    assert not caplog.records
    (yolo / "hous.txt").write_text("0 .5 .5 .1 .1")
    as_coco_json(yolo, images)
    assert re.search(r"labels: 1 label files, such as \S+hous.txt, have no image in \S+images", caplog.text)


def test_images_that_all_would_be_background_are_refused(yolo, images, tmp_path):
    with pytest.raises(DataError, match=r"no image of .* has a label file.*would be .*images/a.txt, .*such as .*a.txt"):
        as_coco_json(yolo, tmp_path)  # its images are in a folder more than its labels
    for path in yolo.glob("*.txt"):
        path.unlink()
    (yolo / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="is a folder without labels"):
        as_coco_json(yolo, images)


@pytest.mark.parametrize("name, text", [("data.yaml", "names: []"), ("classes.txt", "\n\n")])
def test_a_file_without_names_of_classes_is_named(yolo, images, tmp_path, name, text):
    (tmp_path / "data.yaml").unlink()
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=f"{name} names no class: write the names"):
        as_coco_json(yolo, images)


def test_names_of_yolo_that_begin_with_1_are_refused(yolo, images, tmp_path):
    (tmp_path / "data.yaml").write_text("names: {1: cat, 2: dog}")
    with pytest.raises(DataError, match=r"data.yaml has no list of names of classes \(KeyError: 0\): .*from 0"):
        as_coco_json(yolo, images)


def test_a_list_of_yolo_is_no_list_of_voc(yolo, images):
    path = yolo.parent / "train.txt"
    path.write_text("images/a.png\n")
    with pytest.raises(DataError, match=r"train.txt is read as a list of PASCAL VOC.*name the folder of labels"):
        as_coco_json(path, images)


def test_the_object_of_voc_that_is_wrong_is_named(voc, images):
    objects = [OBJECT.format("cat", 0, 1, 1, 9, 9), OBJECT.format(" ", 0, 1, 1, 9, 9)]
    (voc / "a.xml").write_text(XML.format("".join(objects)))
    with pytest.raises(DataError, match="a.xml, object 2: object has no name"):
        as_coco_json(voc, images)
    (voc / "a.xml").write_text("")
    with pytest.raises(DataError, match="a.xml is not a label file of PASCAL VOC: it is empty"):
        as_coco_json(voc, images)


def test_messages_about_the_json_name_the_labels_and_the_image(voc, images, caplog):
    (voc / "c.xml").write_text(XML.format(OBJECT.format("cat", 0, 81, 1, 90, 9)))
    name = register_coco(voc, images)
    DatasetCatalog.get(name)
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert message.startswith(f"{voc}: annotation 3 has bbox") and message.endswith("(image c.png)")
    (images / "a.png").unlink()
    cfg = get_config("custom/retinanet_MNV2_FPN.py", [
        f"data.{s}_{k}={v}" for s in ("train", "val") for k, v in (("json", voc), ("images", images))
    ])  # fmt: skip
    found = {finding.code: finding for finding in findings_of(cfg, quick=True)}
    assert found["box-outside-image"].where.startswith(f"{voc}: annotation 3 in c.png")
    assert f"that {voc} lists" in found["image-missing"].message


def test_an_empty_list_of_voc_is_named(voc, images):
    lists = voc.parent / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n")
    with pytest.raises(DataError, match="val.txt lists no images"):
        DatasetCatalog.get(register_coco(lists / "val.txt", images))


@pytest.mark.parametrize("classes", ["cat", [], ["cat", "cat"], [["cat"], ["dog"]], 2, ListConfig([0, 1])])
def test_classes_are_a_list_of_different_names(yolo, images, classes):
    shown = re.escape(str(classes))
    with pytest.raises(DataError, match=f"classes must be a list of different names, such as .*, got {shown}: a name"):
        as_coco_json(yolo, images, classes)


def test_an_image_of_too_many_pixels_is_named(yolo, images):
    content = (images / "a.png").read_bytes()
    start = content.index(b"IHDR")
    header = b"IHDR" + struct.pack(">II", 60000, 60000) + content[start + 12 : start + 17]
    png = content[:start] + header + struct.pack(">I", zlib.crc32(header)) + content[start + 21 :]
    (images / "a.png").write_bytes(png)
    with pytest.raises(DataError, match="cannot read image .*a.png: Image size"):
        as_coco_json(yolo, images)
