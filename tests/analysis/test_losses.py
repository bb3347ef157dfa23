"""Plots and benchmarks of losses."""

import json

import pytest
import torch
from torch.nn import functional as F

from retina_plugin.analysis.loss_curves import figure_1, loss_at, save_figures
from retina_plugin.analysis.named_losses import named_losses
from retina_plugin.benchmark import losses as module
from retina_plugin.benchmark.losses import Problem, StockFocalLoss, measure_memory
from retina_plugin.modeling.losses import SigmoidFocalLoss, SoftmaxCrossEntropyLoss


def test_figure_1_draws_the_loss_itself():
    lines = {line.get_label(): line for line in figure_1().axes[0].get_lines()}
    p_t, loss = (torch.as_tensor(x) for x in lines["FL, γ = 2"].get_data())
    torch.testing.assert_close(loss, -((1 - p_t) ** 2) * p_t.log())


def test_softmax_is_drawn_over_the_same_axis():
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    value, slope = loss_at(SoftmaxCrossEntropyLoss(), x, present=True)
    torch.testing.assert_close(value, F.softplus(-x))
    torch.testing.assert_close(slope, -torch.sigmoid(-x))


def test_figures_are_written(tmp_path):
    paths = save_figures(named_losses(["focal", "ghm"]), tmp_path, "svg")
    names = ["figure_1", "figure_5", "figure_6", "figure_7", "logit_view"]
    assert [path.name for path in paths] == [f"{name}.svg" for name in names]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_unknown_loss_is_named():
    with pytest.raises(ValueError, match="has no loss 'fokal'.*'focal'"):
        named_losses(["fokal"])


def test_benchmark_compares_with_the_same_loss_of_detectron2():
    problem = Problem(images=2, anchors=2000, classes=3)
    logits, labels = problem.logits(3), problem.labels()
    assert labels.shape == (4000,) and set(labels.tolist()) == {-1, 0, 1, 2, 3}
    stock, ours = StockFocalLoss()(logits, labels), SigmoidFocalLoss()(logits, labels)
    torch.testing.assert_close(ours, stock, rtol=1e-6, atol=0)


def test_benchmark_reports_both_losses(monkeypatch):
    monkeypatch.setattr(module, "call_apart", lambda *call: measure_memory(*call[2:]))  # in this process
    result = module.benchmark_losses(Problem(1, 20000, 20), ["focal"], repeats=1)
    result = json.loads(json.dumps(result))
    stock, focal = result["losses"]["detectron2"], result["losses"]["focal"]
    assert focal["saved_bytes_per_logit"] <= 4.2 < 25 < stock["saved_bytes_per_logit"]
    assert set(result["seconds"]) == {"copy", "detectron2", "focal"}
    stock["peak_mb"] = 0.0  # as where the step is too small to raise the peak
    assert "detectron2" in module.format_table(result)
