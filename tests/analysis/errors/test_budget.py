"""What fixing each error adds to AP: by hand, as hotcoco computes it, and on images that are there more than once."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import BOX, CAT, DOG, random_scene, scene, with_hotcoco

from retina_plugin.analysis.errors.budget import FIXES, _mean_ap, change, differences, error_budget, over_seeds
from retina_plugin.analysis.errors.page import _span
from retina_plugin.analysis.errors.types import find_errors
from retina_plugin.study.statistics.estimate import estimate

AWAY = (400, 300, 50, 50)
HALF_OFF = (60, 10, 100, 100)


def budget_of(objects, rows, **options):
    results = scene(objects, rows, **options)
    return error_budget(results, find_errors(results), num_resamples=4)


@pytest.mark.parametrize(
    ("rows", "ap", "added"),
    [
        ([(1, CAT, BOX, 0.9), (2, CAT, BOX, 0.8)], 100, {}),
        # one false detection above two correct ones: precision 2/3 up to recall 1
        ([(1, CAT, AWAY, 0.95), (1, CAT, BOX, 0.9), (2, CAT, BOX, 0.8)], 200 / 3, {"Bkg": 100 / 3, "FP": 100 / 3}),
        # recalls 0 to .5 are 51 of COCO's 101
        ([(1, CAT, BOX, 0.9)], 5100 / 101, {"Miss": 5000 / 101, "FN": 5000 / 101}),
        ([(1, CAT, BOX, 0.9), (2, CAT, HALF_OFF, 0.8)], 5100 / 101, {"Loc": 5000 / 101, "FN": 5000 / 101}),
        (
            [(1, CAT, BOX, 0.9), (1, CAT, BOX, 0.8), (2, CAT, BOX, 0.7)],
            100 * (51 + 50 * 2 / 3) / 101,
            {"Dupe": 16.5017},
        ),
        ([(1, CAT, BOX, 0.9), (2, DOG, BOX, 0.8)], 5100 / 101, {"Cls": 5000 / 101, "FN": 5000 / 101}),
    ],
    ids=["correct", "background", "missed", "box", "second", "class"],
)
def test_values_by_hand(rows, ap, added):
    found = budget_of([(1, CAT, BOX), (2, CAT, BOX)], rows)
    expected = dict.fromkeys(FIXES, 0.0) | added
    if "Dupe" in added:
        expected["FP"] = added["Dupe"]
    assert found.ap[0] == pytest.approx(ap)
    assert {name: values[0] for name, values in found.added.items()} == pytest.approx(expected, abs=1e-4)


def test_a_wrong_class_and_box_is_only_removed():
    rows = [(1, DOG, HALF_OFF, 0.9), (1, CAT, BOX, 0.8), (2, DOG, BOX, 0.7)]
    found = budget_of([(1, CAT, BOX), (2, DOG, BOX)], rows)
    assert found.ap[0] == pytest.approx(75) and found.added["Both"][0] == pytest.approx(25)


def test_a_class_that_is_never_detected_costs_what_tidecv_says():
    objects = [(i, *what) for i in (1, 2) for what in ((CAT, BOX), (DOG, AWAY))]
    rows = [(1, CAT, BOX, 0.9), (2, CAT, BOX, 0.8)]
    costs = {"Miss": 50.0, "FN": 50.0}
    found = budget_of(objects, rows)
    assert found.ap[0] == 50
    assert {name: values[0] for name, values in found.added.items()} == dict.fromkeys(FIXES, 0.0) | costs
    far = (1, DOG, (200, 10, 30, 30), 0.01)  # with it the class stays, with an AP of 0
    assert budget_of(objects, [*rows, far]).added["Miss"][0] == 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), crowds=st.booleans())
def test_values_are_those_of_hotcoco_without_crowds_and_what_lies_in_them(seed, crowds):
    objects, rows = random_scene(seed, crowds=crowds)
    results = scene(objects, rows, num_images=6)
    found = error_budget(results, find_errors(results), num_resamples=1)
    ignored = set(results.found.score[results.found.ignored])
    objects, rows = [o for o in objects if not o[3]], [row for row in rows if row[3] not in ignored]
    if objects and rows:
        expected = with_hotcoco(objects, rows, num_images=6)
        assert found.ap[0] == pytest.approx(100 * expected["ap_base"], abs=1e-9)
        added = {name: 100 * value for name, value in expected["delta_ap"].items()}
        if {o[1] for o in objects} - {row[1] for row in rows}:  # see the test above: hotcoco gives such a class AP 0
            del added["Miss"], added["FN"]
        assert {name: found.added[name][0] for name in added} == pytest.approx(added, abs=1e-9)


def test_an_image_that_is_drawn_twice_counts_as_two_images():
    objects, rows = random_scene(1, num_images=5)
    times = [2, 0, 1, 3, 1]
    results = scene(objects, rows, num_images=5)
    errors = find_errors(results)
    copies = [i + 1 for i, number in enumerate(times) for _ in range(number)]
    drawn = [[(n, *x[1:]) for n, i in enumerate(copies, 1) for x in rest if x[0] == i] for rest in (objects, rows)]
    expected = with_hotcoco(*drawn, num_images=len(copies))
    weights = np.array(times)[:, None]
    ap = _mean_ap(results, errors, weights)[0]
    assert ap == pytest.approx(100 * expected["ap_base"])
    for fix, value in expected["delta_ap"].items():
        assert _mean_ap(results, errors, weights, fix)[0] - ap == pytest.approx(100 * value, abs=1e-9), fix
    assert sum(value > 0 for value in expected["delta_ap"].values()) >= 6


def test_two_runs_with_the_same_detections_do_not_differ():
    objects, rows = random_scene(2)
    first, second = (budget_of(objects, rows, num_images=6) for _ in range(2))
    assert all((c.value, c.low, c.high) == (0, 0, 0) for c in differences(first, second).values())


def test_pairing_by_image_leaves_the_variation_of_the_difference_alone():
    objects, rows = random_scene(3, num_images=40)
    worse = [row for row in rows if row[0] != 7]
    first, second = (budget_of(objects, r, num_images=40) for r in (rows, worse))
    paired = np.std(second.ap[1:] - first.ap[1:])
    assert paired < np.std(first.ap[1:])


def test_differences_of_seeds_are_those_of_a_study():
    """The rule is that of `study.statistics.estimate` on the differences, pair by pair."""
    rows = [random_scene(seed, num_images=8)[1] for seed in (3, 4, 5, 6)]
    objects = random_scene(3, num_images=8)[0]
    budgets = [budget_of(objects, own, num_images=8) for own in rows]
    found = differences(over_seeds(budgets[:2]), over_seeds(budgets[2:]))
    for name in ("AP", *FIXES):
        own = [b.ap if name == "AP" else b.added[name] for b in budgets]
        pairs = np.array([own[2] - own[0], own[3] - own[1]])
        expected = estimate(pairs[:, 0], pairs[:, 1:], 8)
        assert (found[name].value, found[name].low, found[name].high) == (expected.mean, expected.low, expected.high)
    spread = np.std([budgets[2].ap[0] - budgets[0].ap[0], budgets[3].ap[0] - budgets[1].ap[0]], ddof=1)
    assert found["AP"].high - found["AP"].value >= 12.7 * spread / np.sqrt(2)  # t with one degree of freedom


def test_an_interval_leaves_out_as_much_on_either_side():
    found = change(np.r_[7.0, np.arange(1001)])
    assert (found.value, found.low, found.high) == (7, 25, 975)
    assert np.isnan(change(np.array([1.0, np.nan])).low)


def test_one_image_gives_no_interval():
    first = budget_of([(1, CAT, BOX)], [(1, CAT, BOX, 0.9)])
    second = budget_of([(1, CAT, BOX)], [(1, CAT, AWAY, 0.9)])
    for found in (first.change("AP"), *differences(first, second).values()):
        assert np.isfinite(found.value) and np.isnan([found.low, found.high]).all()
    assert _span(asdict(first.change("AP"))) == "–"
