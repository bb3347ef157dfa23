"""Pictures of a report: which boxes are right, false and missed, and that these look different."""

import contextlib
import io
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from planted import plant_study
from pycocotools.coco import COCO

from retina_plugin.study.evidence.by_image import collect_evidence
from retina_plugin.study.report.judged_boxes import STYLES, JudgedBox, draw_judged, judge_boxes
from retina_plugin.study.report.pictures import _ends_of_table, draw_pictures
from retina_plugin.study.spec.metrics import COCO_METRICS
from retina_plugin.study.statistics.measurements import Measurements

FIRST, SECOND, CROWD = [10, 10, 20, 20], [60, 10, 20, 20], [10, 60, 40, 30]


def annotation(number, box, category, image=1, crowd=0):
    fields = {"id": number, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd}
    return fields | {"area": box[2] * box[3]}


@pytest.fixture
def truth():
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "width": 100, "height": 100, "file_name": f"{i}.png"} for i in (1, 2)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 8, "name": "dog"}],
        "annotations": [
            annotation(7, FIRST, 3),
            annotation(9, SECOND, 8),
            annotation(11, CROWD, 8, crowd=1),
            annotation(12, FIRST, 8, image=2),
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def detection(box, category, score, image=1):
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def test_detections_and_objects_are_judged_as_in_coco(truth):
    found = [
        detection([60, 11, 20, 20], 3, 0.95),  # the box of a dog, as a cat
        detection([12, 10, 20, 20], 3, 0.5),
        detection([10, 10, 20, 20], 3, 0.7),  # the same object with a higher score
        detection([20, 62, 10, 10], 8, 0.6),  # in the crowd
        detection(FIRST, 8, 0.9, image=2),
    ]
    judged = {(box.kind, box.label) for box in judge_boxes(truth, found, 1, 100)}
    assert judged == {("right", "cat 70%"), ("false", "cat 95%"), ("false", "cat 50%"), ("missed", "dog")}
    assert [b.kind for b in judge_boxes(truth, found, 2, 100)] == ["right"]
    assert [b.label for b in judge_boxes(truth, [], 1, 100)] == ["cat", "dog"]


def test_kinds_differ_in_colour_in_line_and_in_grey():
    image = np.full((100, 100, 3), 128, np.uint8)
    drawn = [draw_judged(image, [JudgedBox([20, 20, 60, 60], kind, "")])[:, :, :3].astype(float) for kind in STYLES]
    assert all(x.shape == (480, 480, 3) for x in drawn)
    for one, other in itertools.combinations(drawn, 2):
        assert np.abs(one - other).max() > 100  # in colour
        assert np.abs(one.mean(axis=2) - other.mean(axis=2)).max() > 40  # in grey
    lines = {kind: (x[96, 110:370].sum(axis=1) > 450).mean() for kind, x in zip(STYLES, drawn, strict=True)}
    assert lines["right"] > 0.9 and lines["object"] > 0.9  # continuous
    assert 0.3 < lines["false"] < 0.9 and 0.2 < lines["missed"] < 0.9


def test_a_variant_without_a_value_is_neither_the_best_nor_the_worst():
    runs = [SimpleNamespace(variant=name) for name in "abc"]
    for values, ends in (((math.nan, 3, 5), (2, 1)), ((5, math.nan, 3), (0, 2)), ((math.nan,) * 3, (0, 0))):
        of = dict(zip("abc", values, strict=True))
        means = SimpleNamespace(mean=lambda name, metric, of=of: SimpleNamespace(mean=of[name]))
        assert _ends_of_table(runs, means, COCO_METRICS[0]) == ends


def test_pictures_show_the_direction_of_the_table(tmp_path, trained_run):
    study, results = plant_study(tmp_path, trained_run, seeds=(4,))
    pictures = draw_pictures(study, Measurements(results, collect_evidence(results)[0]), COCO_METRICS[0], 3)
    assert pictures.judged and len(pictures.images) == 3
    assert "focal has the best AP there and ce the worst" in pictures.chosen
    for picture in pictures.images:
        objects, focal, ce = (tile.counts for tile in picture.tiles)
        found = [int(words.split()[1]) for words in (focal, ce)]
        assert found[0] > found[1] and objects.startswith(str(int(focal.split()[3].strip(","))))
