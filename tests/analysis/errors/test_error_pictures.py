"""Figures and crops of errors, also of unusual names, intervals and boxes."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scenes import BOX, CAT, DOG, scene

from retina_plugin.analysis.errors.budget import FIXES, Budget
from retina_plugin.analysis.errors.figures import draw_budget, draw_confusion, draw_curves
from retina_plugin.analysis.errors.gallery import draw_gallery
from retina_plugin.analysis.errors.types import find_errors


def legend_of(figure):
    return [text.get_text().strip() for text in figure.axes[0].get_legend().get_texts()]


def test_names_that_begin_with_an_underscore_are_in_legends():
    results = scene([(1, CAT, BOX), (1, DOG, BOX)], [(1, CAT, BOX, 0.9), (1, DOG, BOX, 0.8)])
    results = dataclasses.replace(results, classes=("_cat", "dog"))
    for figure in draw_curves(results, find_errors(results)):
        assert legend_of(figure) == ["_cat", "dog"]
    budget = Budget(np.zeros(3), {fix: np.zeros(3) for fix in FIXES}, 2)
    assert legend_of(draw_budget([budget, budget], ["_own", "other"], 0.5)) == ["_own", "other"]


def test_an_interval_is_drawn_where_it_is_also_if_it_leaves_out_the_value():
    budget = Budget(np.zeros(4), dict.fromkeys(FIXES, np.array([1.0, 2, 3, 4])), 3)
    (segments,) = draw_budget([budget], ["a run"], 0.5).axes[0].collections
    change = budget.change("Cls")
    assert change.value < change.low
    for segment in segments.get_segments():
        assert segment[:, 0] == pytest.approx([change.low, change.high])


def test_colours_of_a_confusion_are_shares_of_all_objects_of_a_class():
    matrix = np.diag([*range(20, 10, -1), 0])
    matrix[0, 9] = 60  # most of the first class is detected as one that is not drawn
    axes = draw_confusion(matrix, [f"class {i}" for i in range(10)], "a run").axes[0]
    assert axes.images[0].get_array()[0, 0] == pytest.approx(0.25)
    assert axes.texts[0].get_text() == "20" and axes.texts[0].get_color() == "black"


def test_a_missed_object_outside_its_image_has_a_picture(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "1$.png")
    results = scene([(1, CAT, (2000, 10, 50, 50)), (1, CAT, (10, 900, 50, 50))], [])
    results = dataclasses.replace(results, files=(str(tmp_path / "1$.png"),))
    pictures = draw_gallery(results, find_errors(results), 0.5)
    assert [picture.caption for picture in pictures["missed"]] == ["cat (1$.png)"] * 2
