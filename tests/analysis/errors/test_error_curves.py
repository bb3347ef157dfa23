"""Curves over the score and confusion of classes, by hand and beside hotcoco's."""

import contextlib
import io

import hotcoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import BOX, CAT, DOG, detections_of, random_scene, scene, truth_of

from retina_plugin.analysis.errors.curves import Curve, best_threshold, confusion_matrix, curve_of
from retina_plugin.analysis.errors.figures import draw_curves
from retina_plugin.analysis.errors.tables import OUTCOMES, class_table, object_outcomes, outcome_tables
from retina_plugin.analysis.errors.types import find_errors

AWAY, HALF_OFF, SMALL = (400, 300, 50, 50), (60, 10, 100, 100), (300, 300, 20, 20)


def analyzed(objects, rows, **options):
    results = scene(objects, rows, **options)
    return results, find_errors(results)


def test_a_curve_has_a_point_for_each_score():
    rows = [(1, CAT, BOX, 0.9), (1, CAT, AWAY, 0.5), (1, DOG, AWAY, 0.8), (2, CAT, BOX, 0.5), (2, CAT, AWAY, 0.2)]
    found = analyzed([(1, CAT, BOX), (2, CAT, BOX)], rows)
    curve = curve_of(*found, label=0)
    assert curve.score.tolist() == [0.9, 0.5, 0.2]
    assert curve.precision.tolist() == [1, 2 / 3, 0.5] and curve.recall.tolist() == [0.5, 1, 1]
    assert curve.f1 == pytest.approx([2 / 3, 0.8, 2 / 3]) and curve.best == 1
    assert curve_of(*found).precision.tolist() == [1, 0.5, 0.5, 0.4]  # with the other class


def test_a_class_without_objects_has_no_best_threshold():
    found = analyzed([(1, CAT, BOX)], [(1, CAT, BOX, 0.9), (1, DOG, AWAY, 0.8)])
    assert curve_of(*found, label=1).best is None
    cat, dog = class_table(*found)
    assert cat["AP"] == pytest.approx(100) and cat["threshold"] == 0.9 and np.isnan([dog["AP"], dog["threshold"]]).all()


def test_without_detections_nothing_is_found():
    found = analyzed([(1, CAT, BOX)], [])
    assert best_threshold(*found) == 0
    assert best_threshold(*analyzed([(1, CAT, BOX)], [(1, CAT, BOX, 0.4), (1, DOG, AWAY, 0.3)])) == 0.4
    assert confusion_matrix(*found, 0.5).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), thresh=st.sampled_from([0.0, 0.3, 0.7]))
def test_the_confusion_is_that_of_hotcoco(seed, thresh):
    objects, rows = random_scene(seed)
    if objects and rows:
        found = confusion_matrix(*analyzed(objects, rows, num_images=6), thresh)
        truth = hotcoco.COCO(truth_of([(*o[:2], [float(x) for x in o[2]]) for o in objects], 6).dataset)
        with contextlib.redirect_stdout(io.StringIO()):
            rows = detections_of([(i, c, np.asarray(b).tolist(), s) for i, c, b, s in rows])
            evaluation = hotcoco.COCOeval(truth, truth.load_res(rows), "bbox")
            expected = evaluation.confusion_matrix(iou_thr=0.5, max_det=100, min_score=thresh)["matrix"]
        assert found.tolist() == expected.tolist()


def test_an_object_has_one_outcome_above_a_score():
    objects = [(i, CAT, BOX) for i in range(1, 6)] + [(6, DOG, SMALL)]
    rows = [(1, CAT, BOX, 0.9), (2, CAT, BOX, 0.3), (3, CAT, HALF_OFF, 0.2), (4, DOG, BOX, 0.9), (6, DOG, SMALL, 0.6)]
    found = analyzed(objects, rows)
    outcomes = [OUTCOMES[i] for i in object_outcomes(*found, 0.5)]
    assert outcomes == ["found", "score too low", "Loc", "Cls", "Miss", "found"]
    tables = outcome_tables(*found, 0.5)
    small, medium, large = tables["size"]
    assert (small["objects"], medium["objects"], large["objects"]) == (1, 0, 5)
    assert small["AP"] == pytest.approx(100) and small["outcomes"]["found"] == 1
    assert large["false"] == {"Cls": 1, "Loc": 0, "Both": 0, "Dupe": 0, "Bkg": 0}  # the Loc scores too little
    assert [row["outcomes"]["found"] for row in tables["class"]] == [1, 1]


def test_figures_of_data_without_objects_have_no_legend(recwarn):
    precision, f1 = draw_curves(*analyzed([], [(1, CAT, BOX, 0.9)]))
    assert not recwarn.list and precision.axes[0].get_legend() is f1.axes[0].get_legend() is None
    precision, _ = draw_curves(*analyzed([(1, CAT, BOX)], [(1, CAT, BOX, 0.9)]))
    assert precision.axes[0].get_legend() is not None


def test_of_equal_f1_the_highest_score_is_best_whatever_the_rounding():
    hits, found, objects = np.array([27, 28]), np.array([52, 55]), 29
    curve = Curve(np.array([0.9, 0.5]), hits / found, hits / objects)
    assert curve.f1[0] < curve.f1[1] and 2 * hits / (found + objects) == pytest.approx(2 / 3) and curve.best == 0
