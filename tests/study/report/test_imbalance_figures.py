"""The share of background in a report, of runs that recorded it."""

import json

import numpy as np
import pytest

from retina_plugin.pages.render import template_environment
from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.report.imbalance import draw_imbalance
from retina_plugin.study.statistics.measurements import Measurements

SHARES = {("focal", 0): 0.2, ("focal", 1): 0.4, ("ce", 0): 0.9}


def record(iteration, background):
    rows = {"background": {"p3": [background, background / 2, 9]}}
    rows |= {"foreground": {"p3": [1 - background, 1 - background / 2, 1]}}
    return {"iteration": iteration, **rows, "sizes": {}, "classes": {}, "p_t": dict.fromkeys(rows, [0] * 40)}


@pytest.fixture
def runs(tmp_path):
    """Two runs of one variant and one of another that recorded, and a run without records."""
    results = [RunResult(v, seed, str(tmp_path / f"{v}{seed}"), 1.0, {}) for v in ("focal", "ce") for seed in (0, 1)]
    for (variant, seed), share in SHARES.items():
        (tmp_path / f"{variant}{seed}").mkdir()
        text = "".join(json.dumps(record(i, share + i / 1000)) + "\n" for i in (0, 9, 19))
        (tmp_path / f"{variant}{seed}" / "imbalance.jsonl").write_text(text)
    return results


def test_lines_are_means_over_seeds_of_the_recorded_shares(runs):
    loss, gradient = draw_imbalance(Measurements(runs), ["focal", "ce"])
    lines = {line.get_label(): np.array(line.get_data()) for line in loss.axes[0].get_lines()}
    np.testing.assert_allclose(lines["focal"], [[0, 9, 19], [0.3, 0.309, 0.319]])
    np.testing.assert_allclose(lines["ce"], [[0, 9, 19], [0.9, 0.909, 0.919]])
    np.testing.assert_allclose(gradient.axes[0].get_lines()[0].get_ydata(), [0.15, 0.1545, 0.1595])


def test_without_records_there_are_no_figures_and_no_heading(runs):
    measurements = Measurements([r for r in runs if (r.variant, r.seed) == ("ce", 1)])
    assert draw_imbalance(measurements, ["ce"]) == []
    page = template_environment("retina_plugin.study.report", "figures.html.j2").get_template("figures.html.j2")
    shown = [page.render(imbalance=images, means="", training=[], precision=[]) for images in ([], ["data:,x"])]
    assert ["Background and foreground" in text for text in shown] == [False, True] and "data:,x" in shown[1]
