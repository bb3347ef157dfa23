"""Figures of the recorded imbalance of a training."""

import json

import numpy as np
import pytest

from retina_plugin.analysis.imbalance.history import _heights, _means, _phases, draw_history
from retina_plugin.evaluation.imbalance import PT_EDGES

LEVELS = ("p3", "p4")


def record(iteration, background, bin_of_background=30):
    """Half of the foreground on each level; `background` is the share of loss, and half of that of the gradient."""
    counts = {"background": [0] * 40, "foreground": [0] * 40}
    counts["background"][bin_of_background] = 90
    counts["foreground"][10] = 10
    front = [(1 - background) / 2, (1 - background / 2) / 2, 5]
    rows = {"background": dict.fromkeys(LEVELS, [background / 2, background / 4, 45])}
    rows |= {"foreground": dict.fromkeys(LEVELS, front)}
    sizes = {"small": front, "medium": front, "large": [0.0, 0.0, 0]}
    return {"iteration": iteration, **rows, "sizes": sizes, "classes": {"a": [1.0, 1.0, 10]}, "p_t": counts}


def write(run_dir, records):
    (run_dir / "imbalance.jsonl").write_text("".join(json.dumps(x) + "\n" for x in records))


def lines(figure):
    return {line.get_label(): np.array(line.get_data(), float) for line in figure.axes[0].get_lines()}


def test_lines_are_the_recorded_shares(tmp_path):
    write(tmp_path, [record(9 + 10 * i, i / 10) for i in range(8)])
    figures = draw_history(tmp_path)
    assert len(figures) == 7
    shares = lines(figures[0])
    np.testing.assert_allclose(shares["of the loss"], [np.arange(9, 89, 10), np.arange(8) / 10])
    np.testing.assert_allclose(shares["of the gradient"][1], np.arange(8) / 20)
    np.testing.assert_allclose(shares["of the anchors"][1], 0.9)
    np.testing.assert_allclose(lines(figures[1])["p4"][1], 0.5)
    np.testing.assert_allclose(lines(figures[4])["large"][1], 0)


def test_many_records_are_averaged(tmp_path):
    write(tmp_path, [record(i, (i % 2) / 2) for i in range(100)])
    figure = draw_history(tmp_path)[0]
    values = lines(figure)["of the loss"]
    assert values.shape == (2, 34) and values[1, :-1] == pytest.approx([1 / 6, 1 / 3] * 16 + [1 / 6])
    assert "means over 3 records" in figure.axes[0].get_xlabel()


def test_records_without_foreground_leave_gaps(tmp_path):
    empty = record(1, 1.0) | {"sizes": dict.fromkeys(("small", "medium", "large"), [0.0, 0.0, 0])}
    write(tmp_path, [record(0, 0.5), empty, record(2, 0.5)])
    assert np.isnan(lines(draw_history(tmp_path)[3])["small"][1]).tolist() == [False, True, False]


def test_means_leave_out_what_is_missing():
    nan = float("nan")
    found = _means(np.array([1.0, 3, nan, 5, nan, nan, 8]), 2)
    np.testing.assert_array_equal(found, [2, 5, nan, 8])


def test_phases_hold_every_record_after_the_first_once():
    for number in (1, 2, 5, 6, 23):
        assert [i for part in _phases(number) for i in part] == list(range(1, number))


def test_heights_are_logarithms_of_shares():
    heights = _heights([record(0, 0.5, 30), record(1, 0.5, 31)], "background")
    assert heights[30] == heights[31] == pytest.approx(1 + np.log10(0.5) / 5)
    assert np.delete(heights, [30, 31]) == pytest.approx(np.zeros(len(PT_EDGES) - 3))


def test_a_run_without_records_has_no_figures(tmp_path):
    assert draw_history(tmp_path) == []
