"""Plots of classification losses, computed by the code that trains.

x_t is the logit x where the class is present and -x where it is absent; p_t = sigmoid(x_t).
"""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..modeling.losses import ClassificationLoss, SigmoidCrossEntropyLoss, SigmoidFocalLoss, SigmoidFocalStarLoss
from ..pages.figures import save_figure

_GAMMAS = (0.5, 1.0, 2.0, 5.0)
_COLORS = colormaps["tab10"].colors
_LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))  # lines differ in grey, too


def loss_at(loss: ClassificationLoss, logits: Tensor, present: bool) -> tuple[Tensor, Tensor]:
    """Loss and its derivative (n,) at each of `logits` (n,), for an anchor with or without the only class.

    The logit of background is 0 in a softmax, so that p_t = sigmoid(x_t) there, too. Each logit is a batch of one
    anchor. Effects of a batch are therefore not visible: GHM-C looks like cross entropy at another scale.
    """
    loss = deepcopy(loss).eval()
    logits = logits.detach().double().requires_grad_()
    label = torch.tensor([0 if present else 1])
    rest = torch.zeros(1, loss.num_logits(1) - 1, dtype=logits.dtype)
    values = [loss(torch.cat([x.view(1, 1), rest], dim=1), label) for x in logits]
    total = torch.stack(values)
    return total.detach(), torch.autograd.grad(total.sum(), logits)[0]


def figure_1() -> Figure:
    """Cross entropy and focal loss over p_t, as in figure 1 of "Focal Loss for Dense Object Detection"."""
    p_t = torch.linspace(0.005, 0.9999, 200, dtype=torch.float64)
    losses = {"CE (γ = 0)": SigmoidCrossEntropyLoss(None)}
    losses |= {f"FL, γ = {gamma:g}": SigmoidFocalLoss(None, gamma) for gamma in _GAMMAS}
    figure, axes = _panel("$p_t$, probability of the ground truth", "loss")
    axes.axvspan(0.6, 1, color="0.93", lw=0)
    axes.text(0.8, 2.4, "well-classified\nexamples", ha="center")
    _draw(axes, losses, p_t.logit(), p_t)
    axes.set(xlim=(0, 1), ylim=(0, 5))
    return figure


def figure_5() -> Figure:
    """Cross entropy, focal loss and FL* over x_t, as in the paper's figure 5."""
    return _over_x_t("loss", derivative=False, ylim=(0, 8))


def figure_6() -> Figure:
    """The derivatives of the losses of `figure_5` over x_t, as in the paper's figure 6."""
    return _over_x_t("derivative by x", derivative=True, ylim=(-1.6, 0.1))


def figure_7() -> Figure:
    """FL* over x_t for many gamma and beta, as in the paper's figure 7; the settings of its table 3 are blue."""
    x_t = torch.linspace(-5, 5, 121)
    figure, axes = _panel("$x_t$", "loss")
    for gamma in (1.0, 2.0, 3.0, 4.0):
        for beta in (-1.0, 0.0, 1.0, 2.0):
            axes.plot(x_t, loss_at(SigmoidFocalStarLoss(None, gamma, beta), x_t, True)[0], color="0.8", lw=1)
    for (gamma, beta), style in {(2.0, 1.0): "-", (4.0, 0.0): "--"}.items():
        name = {f"FL*, γ = {gamma:g}, β = {beta:g}": SigmoidFocalStarLoss(None, gamma, beta)}
        _draw(axes, name, x_t, color="C0", ls=style)
    _draw(axes, {"CE": SigmoidCrossEntropyLoss(None)}, x_t, color="k")
    axes.set(xlim=(-5, 5), ylim=(0, 6))
    return figure


def logit_view(losses: Mapping[str, ClassificationLoss]) -> Figure:
    """Loss over the logit, in one panel for an anchor with the class and in one for an anchor without it."""
    logits = torch.linspace(-8, 8, 161)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, present in zip(figure.subplots(1, 2, sharey=True), (True, False), strict=True):
        axes.set_prop_cycle(color=_COLORS * 2, linestyle=["-"] * 10 + ["--"] * 10)
        _draw(axes, losses, logits, present=present)
        axes.set(title="class present" if present else "class absent", xlabel="logit")
    figure.axes[0].set(ylabel="loss", ylim=(0, 6))
    figure.axes[0].get_legend().remove()
    figure.axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def save_figures(losses: Mapping[str, ClassificationLoss], folder: str | Path, file_format: str) -> list[Path]:
    """Write the paper's figures and the logit view of `losses` by name as "png" or "svg"; returns the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = {f.__name__: f() for f in (figure_1, figure_5, figure_6, figure_7)}
    figures["logit_view"] = logit_view(losses)
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.{file_format}")
    return [folder / f"{name}.{file_format}" for name in figures]


def _over_x_t(ylabel: str, derivative: bool, ylim: tuple[float, float]) -> Figure:
    losses = {
        "CE": SigmoidCrossEntropyLoss(None),
        "FL, γ = 2": SigmoidFocalLoss(None, 2.0),
        "FL*, γ = 2, β = 1": SigmoidFocalStarLoss(None, 2.0, 1.0),
        "FL*, γ = 4, β = 0": SigmoidFocalStarLoss(None, 4.0, 0.0),
    }
    figure, axes = _panel("$x_t$", ylabel)
    _draw(axes, losses, torch.linspace(-8, 8, 161), derivative=derivative)
    axes.set(xlim=(-8, 8), ylim=ylim)
    return figure


def _panel(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(color="0.9")
    axes.set_prop_cycle(color=_COLORS[: len(_LINES)], linestyle=_LINES)
    return figure, axes


def _draw(
    axes: Axes,
    losses: Mapping[str, ClassificationLoss],
    logits: Tensor,
    x: Tensor | None = None,
    present: bool = True,
    derivative: bool = False,
    **style: str,
) -> None:
    """Draw each loss, or its derivative, at `logits` over `x`, by default over the logits themselves."""
    for name, loss in losses.items():
        y = loss_at(loss, logits, present)[derivative]
        axes.plot(logits if x is None else x, y, label=name, **style)
    axes.legend(frameon=False)
