"""COCO's box metrics are those of pycocotools bit for bit: crowds, ties, areas, unused categories, some images."""

import contextlib
import io
import multiprocessing
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from retina_plugin.evaluation import box_metrics
from retina_plugin.evaluation.box_metrics import evaluate_boxes
from retina_plugin.evaluation.truth import complete_annotations


def a_data_set(rng, num_images, num_classes, num_objects, num_detections, image_ids=lambda i: 3 * i + 1):
    """Boxes, some of them crowds, and detections near and far from them, with scores that tie."""
    annotations, detections = [], []
    for i in range(num_images):
        boxes = np.c_[rng.uniform(0, 500, (num_objects, 2)), np.exp(rng.uniform(1, 6, (num_objects, 2)))]
        classes = rng.integers(num_classes, size=num_objects)
        for box, category in zip(boxes, classes, strict=True):
            crowd, area = int(rng.random() < 0.1), box[2] * box[3] * rng.uniform(0.3, 1)
            own = {"image_id": image_ids(i), "category_id": int(category) * 2 + 5}
            own |= {"bbox": box.tolist(), "area": area, "iscrowd": crowd}
            annotations.append(own | {"id": len(annotations) + 1})
        for _ in range(num_detections):
            near = num_objects and rng.random() < 0.7
            k = rng.integers(max(num_objects, 1))
            box = boxes[k] * rng.uniform(0.9, 1.1, 4) if near else rng.uniform(0, 300, 4)
            category = int(classes[k] if near else rng.integers(num_classes))
            score = round(rng.random(), 1)
            found = {"image_id": image_ids(i), "category_id": category * 2 + 5, "bbox": box.tolist(), "score": score}
            detections.append(found)
    truth = COCO()
    truth.dataset = {
        "images": [{"id": image_ids(i), "width": 640, "height": 480} for i in range(num_images)],
        "annotations": annotations,
        "categories": [{"id": k * 2 + 5, "name": str(k)} for k in range(num_classes)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    complete_annotations(truth)
    return truth, detections


def with_pycocotools(truth, detections, max_dets, img_ids=None):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        evaluation = COCOeval(truth, truth.loadRes([dict(d) for d in detections]), "bbox")
        evaluation.params.maxDets = list(max_dets)
        if img_ids is not None:
            evaluation.params.imgIds = list(img_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation, [line for line in printed.getvalue().splitlines() if "Average" in line]


def assert_same_precision(truth, detections, max_dets=(1, 10, 100)):
    """The evaluation, whose precision is that of pycocotools."""
    found, (expected, _) = evaluate_boxes(truth, detections, max_dets), with_pycocotools(truth, detections, max_dets)
    assert np.array_equal(found.eval["precision"], expected.eval["precision"])
    return found


@pytest.mark.parametrize("forked", [False, True], ids=["hotcoco", "forked"])
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 5), st.integers(0, 6), st.integers(1, 8), st.booleans())
def test_every_number_is_that_of_pycocotools(
    forked, seed, num_images, num_classes, num_objects, num_detections, restricted
):
    truth, detections = a_data_set(np.random.default_rng(seed), num_images, num_classes, num_objects, num_detections)
    img_ids = sorted(truth.imgs)[::2] if restricted else None
    with patch.object(box_metrics, "_pids", {"hotcoco": -1} if forked else {}):
        found = evaluate_boxes(truth, detections, img_ids=img_ids)
    expected, printed = with_pycocotools(truth, detections, (1, 10, 100), img_ids)
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(found.eval[name], expected.eval[name]), name
    with contextlib.redirect_stdout(io.StringIO()) as lines:
        assert np.array_equal(found.summarize(), expected.stats) and np.array_equal(found.stats, expected.stats)
    assert lines.getvalue().splitlines() == printed
    for cell in filter(None, expected.evalImgs):
        own = found.cells[
            found.category_ids.index(cell["category_id"]),
            expected.params.areaRng.index(cell["aRng"]),
            found.image_ids.index(cell["image_id"]),
        ]
        assert np.array_equal(own["dtScores"], cell["dtScores"])
        for name in ("dtMatches", "dtIgnore", "gtIgnore"):
            assert np.array_equal(np.asarray(own[name]) != 0, np.asarray(cell[name]) != 0), name


def test_fewer_detections_per_image_count():
    truth, detections = a_data_set(np.random.default_rng(0), 4, 2, 5, 12)
    found = assert_same_precision(truth, detections, (1, 2, 3))
    assert found.stats[0] > 0  # pycocotools itself looks for 100 detections and finds -1


def test_detections_of_an_unknown_category_do_not_count():
    truth, detections = a_data_set(np.random.default_rng(4), 4, 2, 5, 12)
    detections += [x | {"category_id": 99, "score": 1.0} for x in detections]
    assert_same_precision(truth, detections)


def test_many_categories():
    truth, detections = a_data_set(np.random.default_rng(1), 3, 1203, 6, 30)
    assert_same_precision(truth, detections)


def test_ids_of_images_may_be_strings():
    rng = np.random.default_rng(2)
    truth, detections = a_data_set(rng, 5, 2, 3, 4, image_ids=lambda i: f"image {9 - i}")
    assert_same_precision(truth, detections)


def test_a_forked_process_does_not_wait_for_threads():
    truth, detections = a_data_set(np.random.default_rng(5), 4, 2, 5, 12)
    expected = evaluate_boxes(truth, detections).stats
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.apply_async(_stats, (truth, detections))
        assert np.array_equal(found.get(timeout=60), expected)


def _stats(truth, detections):
    return evaluate_boxes(truth, detections).stats


def test_no_detections_give_zeros_and_unknown_images_an_error():
    truth, detections = a_data_set(np.random.default_rng(3), 2, 1, 2, 1)
    assert evaluate_boxes(truth, []).stats[0] == 0
    with pytest.raises(ValueError, match="detections in image 99, which the ground truth does not have"):
        evaluate_boxes(truth, [detections[0] | {"image_id": 99}])


def test_no_image_and_limits_in_another_order():
    truth, detections = a_data_set(np.random.default_rng(6), 4, 2, 5, 12)
    for limits, img_ids in (((1, 10, 100), []), ((1, 10, 100), [-1]), ((1, 10, 5), None), ((3, 2, 1), None)):
        found = evaluate_boxes(truth, detections, limits, img_ids)
        expected, _ = with_pycocotools(truth, detections, limits, img_ids)
        for name in ("precision", "recall", "scores"):
            assert np.array_equal(found.eval[name], expected.eval[name]), (limits, img_ids, name)
        assert found.max_dets == sorted(limits)


def test_annotations_with_one_id():
    truth, detections = a_data_set(np.random.default_rng(7), 4, 2, 5, 12)
    annotations = truth.dataset["annotations"]
    annotations[3]["id"] = annotations[2]["id"]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    assert_same_precision(truth, detections)
