"""predict, compare and visualize_data, as functions and as the scripts of tools/."""

import json
import re
import runpy
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import QUICK, ROOT, TINY
from detectron2.config import instantiate
from detectron2.data import DatasetCatalog, Metadata
from detectron2.structures import Boxes, Instances

from retina_plugin.commands.compare import compare, run_names
from retina_plugin.commands.predict import (
    choose_threshold,
    describe_counts,
    named_results,
    predict,
    read_image_ids,
    to_coco,
)
from retina_plugin.commands.visualize_data import visualize_data
from retina_plugin.config import load_config
from retina_plugin.data import DataError
from retina_plugin.inference.images import drawing_names, find_images
from retina_plugin.inference.predictor import LazyPredictor


@pytest.fixture(scope="module")
def images(trained_run):
    """The folder of the run's test images."""
    cfg = load_config(trained_run / "config.yaml")
    (entry, *_) = DatasetCatalog.get(instantiate(cfg.dataloader.test.dataset.names))
    return entry["file_name"].rpartition("/")[0]


def tool(monkeypatch, capsys, name, *argv):
    monkeypatch.setattr(sys, "argv", [name, *map(str, argv)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools" / f"{name}.py"), run_name="__main__")
    return end.value.code, capsys.readouterr()


def test_predict_draws_and_writes_coco_results(monkeypatch, capsys, trained_run, images, tmp_path):
    argv = ["--run", trained_run, "--input", images, "--output", tmp_path, "--score-thresh", "0"]
    code, _ = tool(monkeypatch, capsys, "predict", *argv, "model.test_score_thresh=0.0")
    assert code == 0
    results = json.loads((tmp_path / "detections.json").read_text())
    assert set(results[0]) == {"image_id", "file_name", "category_id", "category_name", "bbox", "score"}
    assert {r["category_id"] for r in results} <= {1, 2, 3}
    assert {r["image_id"] for r in results} == {1, 2, 3, 4}
    drawing = cv2.imread(str(tmp_path / "000001.png"))
    plain = cv2.imread(f"{images}/000001.png")
    assert drawing.shape[0] >= 480
    assert np.abs(cv2.resize(plain, drawing.shape[1::-1]).astype(int) - drawing).max() > 100


def test_the_default_threshold_is_the_best_of_the_runs_last_evaluation(tmp_path):
    assert choose_threshold(None, "model.pth")[0] == choose_threshold(str(tmp_path), None)[0] == 0.5
    line = {"iteration": 4, "bbox/AP": 3.0, "best_F1/F1": 61.0, "best_F1/score_thresh": 0.37}
    (tmp_path / "metrics.json").write_text(json.dumps(line) + "\n")
    thresh, source = choose_threshold(str(tmp_path), None)
    assert thresh == 0.37 and "F1 of 61.0" in source
    assert choose_threshold(str(tmp_path), "other.pth")[0] == 0.5


def test_counts_are_those_above_the_threshold():
    found = [(1, "a.png", "cat", 0.9), (1, "a.png", "cat", 0.4), (1, "a.png", "dog", 0.5), (2, "b.png", "dog", 0.1)]
    keys = ("image_id", "file_name", "category_name", "score")
    results = [dict(zip(keys, x, strict=True)) for x in found]
    lines = describe_counts(results, 0.5).splitlines()
    assert lines == ["a.png: 1 cat, 1 dog", "b.png: none", "4 found, 2 with scores of 0.50 and over"]
    of_two_folders = describe_counts([*results, results[0] | {"image_id": 3}], 0.5).splitlines()
    assert of_two_folders[0] == "a.png: 1 cat, 1 dog" and of_two_folders[2] == "a.png: 1 cat"
    many = [r | {"image_id": i, "file_name": f"{i}.png"} for i in range(22) for r in results]
    assert "... and 2 more images with detections" in describe_counts(many, 0.5)


def test_results_evaluate_to_what_the_evaluator_found(trained_run, images, tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from retina_plugin.run_folder import last_evaluation

    found = predict(LazyPredictor.from_run(trained_run), [images], tmp_path)
    expected = last_evaluation(trained_run)["bbox/AP"]
    assert found and expected > 0
    truth = COCO(images.replace("/images", "/instances.json"))
    evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "detections.json")), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] * 100 == pytest.approx(expected, abs=1e-6)


def test_without_drawings_the_json_is_the_same(trained_run, images, tmp_path):
    predictor, inputs = LazyPredictor.from_run(trained_run), [f"{images}/000002.png"]
    found = predict(predictor, inputs, tmp_path / "drawn")
    assert predict(predictor, inputs, tmp_path / "json", draw=False) == found
    assert [p.name for p in (tmp_path / "json").iterdir()] == ["detections.json"]
    assert sorted(p.name for p in (tmp_path / "drawn").iterdir()) == ["000002.png", "detections.json"]


def test_boxes_become_xywh_and_category_ids():
    instances = Instances((10, 10), pred_boxes=Boxes(np.array([[1.0, 2, 4, 8]])))
    instances.scores, instances.pred_classes = np.array([0.5]), np.array([1])
    expected = {"category_id": 9, "bbox": [1, 2, 3, 6], "score": 0.5}
    assert to_coco(instances, [7, 9]) == [expected]
    long = "US$ " + 50 * "x"  # the json has it as the data do, not as drawings
    for names, name in (([long, long], long), ([], "class 1")):
        (found,) = named_results(instances, Metadata(thing_classes=names, category_ids=[7, 9]))
        assert found == expected | {"category_name": name}


def test_inputs_are_files_folders_and_patterns(tmp_path):
    for name in ("b.png", "a.JPG", "note.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in find_images([str(tmp_path)])] == ["a.JPG", "b.png"]
    assert [p.name for p in find_images([f"{tmp_path}/*.png", f"{tmp_path}/b.png"])] == ["b.png"]
    with pytest.raises(DataError, match=r"\*.tif is neither an image"):
        find_images([str(tmp_path / "*.tif")])
    with pytest.raises(DataError, match=r"not.txt does not exist; did you mean \S*note.txt\?$"):
        find_images([str(tmp_path / "not.txt")])


def test_what_is_skipped_in_a_folder_is_said(tmp_path, caplog):
    for name in ("a.png", ".DS_Store", "._a.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    assert len(find_images([str(tmp_path)])) == 1 and not caplog.records
    for name in ("b.gif", "c.heic"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "more").mkdir()
    assert [p.name for p in find_images([str(tmp_path)])] == ["a.png"]
    assert "skipped 2 files, such as b.gif" in caplog.text and "skipped 1 folder, more" in caplog.text
    assert f"{tmp_path}/**/*.jpg" in caplog.text


def test_an_unreadable_image_is_named_and_the_others_are_done(trained_run, images, tmp_path):
    (tmp_path / "bad.png").write_text("no image")
    inputs = [str(tmp_path / "bad.png"), f"{images}/000002.png"]
    with pytest.raises(DataError, match=r"1 of 2 images: cannot read image .*bad.png"):
        predict(LazyPredictor.from_run(trained_run), inputs, tmp_path / "out")
    assert (tmp_path / "out" / "000002.png").is_file()
    assert (tmp_path / "out" / "detections.json").is_file()


def test_image_ids_follow_file_names_with_folders(trained_run, images, tmp_path):
    predictor, inputs = LazyPredictor.from_run(trained_run), [f"{images}/000002.png"]
    ids = {"images/000002.png": 77, "other/000002.png": 5}
    for more in ({}, {"000002.png": 3}):  # an image of the same name above the folders
        assert {r["image_id"] for r in predict(predictor, inputs, tmp_path, image_ids=more | ids)} == {77}
    with pytest.raises(DataError, match=f"{re.escape(images)} is a folder, not a json file$"):
        read_image_ids(images)
    with pytest.raises(DataError, match=r"000002.png is not among the file names"):
        predict(predictor, inputs, tmp_path, image_ids={"a.png": 1})


def test_images_of_one_name_do_not_overwrite_each_other():
    assert drawing_names(["a/x/1.png", "b/x/1.png", "1_2.png"]) == ["1.png", "1_2.png", "1_2_2.png"]
    assert drawing_names(["a" + "é" * 120 + ".jpg"]) == ["a" + "é" * 99 + ".png"]  # cut between two characters


def test_compare_has_a_column_per_run_and_one_of_truth(trained_run, tmp_path):
    (picture, _) = compare([trained_run, trained_run], tmp_path, num_images=2)
    height, width = cv2.imread(str(picture)).shape[:2]
    assert width >= 3 * 480 and height >= 480
    assert run_names([trained_run, trained_run]) == ["run (1)", "run (2)"]
    assert run_names(["a/focal/seed0", "a/ce/seed0"]) == ["focal/seed0", "ce/seed0"]


def test_compare_takes_the_best_threshold_of_each_run_unless_one_is_given(trained_run, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(
        "retina_plugin.commands.compare.draw_columns",
        lambda entries, predictors, names, thresholds: taken.append(thresholds) or iter([[("a", np.zeros((9, 9, 3)))]]),
    )
    runs = []
    for name, best in ("a", {"best_F1/F1": 61.0, "best_F1/score_thresh": 0.37}), ("b", {}):
        runs.append(tmp_path / name)
        shutil.copytree(trained_run, runs[-1])
        line = {"iteration": 4, "bbox/AP": 3.0} | best
        (runs[-1] / "metrics.json").write_text(json.dumps(line) + "\n")
    compare(runs, tmp_path / "out", num_images=1)
    compare(runs, tmp_path / "out", num_images=1, score_thresh=0.0)
    assert taken == [[0.37, 0.5], [0.0, 0.0]]


def test_compare_draws_the_images_that_can_be_read(trained_run, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "b.png"), np.zeros((64, 64, 3), np.uint8))
    (folder / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="1 of 2 images: cannot read image .*a.png"):
        compare([trained_run], tmp_path / "out", [str(folder)])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["b.png"]


def test_visualize_data_draws_the_files_that_can_be_read(tiny_cfg, tmp_path):
    cfg = tiny_cfg("dataloader.train.dataset.names.num_images=5")
    images = sorted({e["file_name"] for e in instantiate(cfg.dataloader.train.dataset)})
    content = Path(images[0]).read_bytes()
    Path(images[0]).write_bytes(content[:99])
    try:
        with pytest.raises(DataError, match="1 of .* images: cannot read image"):
            visualize_data(cfg, tmp_path, num_images=len(images))
    finally:
        Path(images[0]).write_bytes(content)
    assert len(list((tmp_path / "annotation").glob("*.png"))) == len(images) - 1


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_drawn(tiny_cfg, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot write into the folder .*file/out"):
        visualize_data(tiny_cfg(), tmp_path / "file/out")


@pytest.mark.parametrize("source", ["annotation", "dataloader"])
def test_visualize_data_draws_the_training_set(monkeypatch, capsys, source, tmp_path):
    argv = ["--config-file", QUICK, "--source", source, "--output-dir", tmp_path]
    code, _ = tool(monkeypatch, capsys, "visualize_data", *argv, "--num-images", "3", *TINY)
    assert code == 0 and [p.name for p in tmp_path.iterdir()] == [source]
    assert [cv2.imread(str(p)).shape[0] >= 480 for p in tmp_path.glob(f"{source}/*.png")] == [True] * 3


@pytest.mark.parametrize("name", [p.stem for p in ROOT.glob("tools/*.py")])
def test_every_tool_explains_itself(monkeypatch, capsys, name):
    code, printed = tool(monkeypatch, capsys, name, "--help")
    assert code == 0 and "usage" in printed.out


def test_predict_claims_no_drawings_if_nothing_could_be_read(monkeypatch, capsys, trained_run, tmp_path):
    argv = ["--run", trained_run, "--input", "camera:x", "--output", tmp_path / "found"]
    code, printed = tool(monkeypatch, capsys, "predict", *argv)
    assert code == 1 and "camera:x names no camera" in printed.err
    assert "Drawings" not in printed.out


def test_bad_arguments_end_with_one_line(monkeypatch, capsys, tmp_path):
    argv = ["--run", tmp_path, "--input", "x", "--output", tmp_path]
    code, printed = tool(monkeypatch, capsys, "predict", *argv)
    assert code == 1
    assert printed.err.strip().splitlines()[-1].startswith(f"error: {tmp_path} is not a run folder")
