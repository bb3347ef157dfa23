"""TIDE's types of errors: one scene for each, and hotcoco's counts on random scenes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import BOX, CAT, DOG, random_scene, scene, with_hotcoco

from retina_plugin.analysis.errors.types import Kind, find_errors

HALF_OFF = (60, 10, 100, 100)  # IoU 1/3 with BOX
AWAY = (400, 300, 50, 50)
ONE_EACH = {
    "correct": ([(1, CAT, BOX)], [(1, CAT, BOX, 0.9)], [Kind.CORRECT], False),
    "class": ([(1, CAT, BOX)], [(1, DOG, BOX, 0.9)], [Kind.CLS], False),
    "box": ([(1, CAT, BOX)], [(1, CAT, HALF_OFF, 0.9)], [Kind.LOC], False),
    "both": ([(1, CAT, BOX)], [(1, DOG, HALF_OFF, 0.9)], [Kind.BOTH], True),
    "second": ([(1, CAT, BOX)], [(1, CAT, BOX, 0.9), (1, CAT, BOX, 0.8)], [Kind.CORRECT, Kind.DUPE], False),
    "background": ([(1, CAT, BOX)], [(1, CAT, AWAY, 0.9)], [Kind.BKG], True),
    "no detection": ([(1, CAT, BOX)], [], [], True),
    "crowd": ([(1, CAT, BOX, 1)], [(1, CAT, BOX, 0.9)], [Kind.IGNORED], None),
}


@pytest.mark.parametrize("name", ONE_EACH)
def test_one_error_of_each_type(name):
    objects, rows, kinds, missed = ONE_EACH[name]
    errors = find_errors(scene(objects, rows))
    assert errors.kind.tolist() == kinds
    assert errors.missed.tolist() == ([] if missed is None else [missed])


def test_a_box_that_is_off_is_not_a_wrong_class_even_on_another_object():
    objects = [(1, CAT, BOX), (1, DOG, HALF_OFF)]
    errors = find_errors(scene(objects, [(1, CAT, HALF_OFF, 0.9)]))
    assert errors.kind.tolist() == [Kind.LOC] and errors.target.tolist() == [0]


def test_only_the_best_near_detection_of_an_object_becomes_correct():
    rows = [(1, CAT, HALF_OFF, 0.6), (1, DOG, BOX, 0.9), (1, CAT, HALF_OFF, 0.7)]
    errors = find_errors(scene([(1, CAT, BOX)], rows))
    assert errors.kind.tolist() == [Kind.CLS, Kind.LOC, Kind.LOC]  # highest score first
    assert errors.fixed.tolist() == [True, False, False]


def test_an_object_with_a_detection_needs_no_other():
    errors = find_errors(scene([(1, CAT, BOX)], [(1, CAT, BOX, 0.5), (1, DOG, BOX, 0.9)]))
    assert errors.kind.tolist() == [Kind.CLS, Kind.CORRECT] and not errors.fixed.any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), iou=st.sampled_from([0.5, 0.75]))
def test_counts_are_those_of_hotcoco(seed, iou):
    objects, rows = random_scene(seed)
    if objects and rows:
        counts = find_errors(scene(objects, rows, iou, num_images=6)).counts()
        expected = with_hotcoco(objects, rows, iou, num_images=6)["counts"]
        assert {name: counts[name] for name in expected} == expected
