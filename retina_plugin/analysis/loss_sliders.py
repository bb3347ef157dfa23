"""Pictures of focal loss for a reader who moves its settings: gamma, alpha, and the score that a detector starts from.

With gamma 0 it is cross entropy. Gradients are shown without their sign: training raises the scores of objects and
lowers those of background. An object here is a logit of an anchor's own class; all others are background.
"""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ..modeling.losses import ClassificationLoss, SigmoidFocalLoss
from ..modeling.losses.base import log_odds
from ..pages.figures import COLOURS
from .imbalance.functions import best_start, loss_and_gradient_norm
from .imbalance.histogram import LIMIT, NUM_BINS
from .imbalance.shares import shares_of
from .imbalance.xray import Xray

_STYLE = {"font.size": 13, "axes.spines.top": False, "axes.spines.right": False, "legend.fontsize": 11}
_KINDS = (("objects", COLOURS[0], "-", True), ("background", COLOURS[1], "--", False))
_TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99)
_EDGE = log_odds(0.995)
_POOLED = 32  # bins of a histogram in one bar, half a unit of log-odds wide


def draw_loss(gamma: float, alpha: float | None, prior: float) -> Figure:
    """Loss and gradient of one logit over its score, beside those of cross entropy; `prior` is marked.

    Raises:
        ValueError: if gamma is negative, alpha not in [0, 1], or the prior not strictly between 0 and 1.
    """
    loss, plain = SigmoidFocalLoss(alpha, gamma), SigmoidFocalLoss(None, 0.0)
    figure, (values, gradients) = _panels(2)
    x = np.linspace(log_odds(1e-6), _EDGE, 200)
    for name, colour, line, present in _KINDS:
        for formula, style in ((plain, dict(color="0.6", lw=1.2)), (loss, dict(color=colour, lw=2.2, label=name))):
            found = loss_and_gradient_norm(formula, x if present else -x, present)
            for axes, y in zip((values, gradients), found, strict=True):
                axes.plot(x, y, ls=line, **style)
    values.plot([], [], color="0.6", lw=1.2, label="cross entropy")
    values.set(title="loss of a logit", ylim=(0, 5))
    gradients.set(title="its gradient, absolute (log scale)", yscale="log", ylim=(1e-8, 3))
    for axes in (values, gradients):
        _over_score(axes, prior)
    _legend_below(figure, values)
    return figure


def draw_start(foreground_share: float, gamma: float, alpha: float | None, prior: float) -> Figure:
    """The gradients of all objects and of all background before training, over the score that every logit starts from.

    `foreground_share` of all logits are objects. The two are equal at the score with the smallest loss.

    Raises:
        ValueError: as `draw_loss`, and if the share is not strictly between 0 and 1.
    """
    loss = SigmoidFocalLoss(alpha, gamma)
    figure, (axes,) = _panels(1)
    x = np.linspace(log_odds(1e-6), _EDGE, 200)
    for name, colour, line, present in _KINDS:
        share = foreground_share if present else 1 - foreground_share
        norm = share * loss_and_gradient_norm(loss, x if present else -x, present)[1]
        axes.plot(x, norm, ls=line, color=colour, lw=2.2, label=name)
    axes.set(yscale="log", ylim=(1e-10, 3), ylabel="sum of gradients / number of logits")
    _over_score(axes, prior)
    best = best_start(loss, foreground_share)
    if best is not None:
        axes.axvline(log_odds(best), color="0.4", ls="-.", lw=1.2, label=f"equal gradients: {best:.2g}")
    axes.set_title(start_in_words(foreground_share, gamma, alpha, prior), fontsize=12)
    _legend_below(figure, axes)
    return figure


def start_in_words(foreground_share: float, gamma: float, alpha: float | None, prior: float) -> str:
    """Which gradient is larger before training, and how many times."""
    loss, x = SigmoidFocalLoss(alpha, gamma), np.array([log_odds(prior)])
    up = foreground_share * loss_and_gradient_norm(loss, x, True)[1].item()
    down = (1 - foreground_share) * loss_and_gradient_norm(loss, -x, False)[1].item()
    if up == down:
        return f"from {prior:.2g}: gradients of objects and background are equal"
    (less, other), (more, larger) = sorted([(up, "objects"), (down, "background")])
    return f"from {prior:.2g}: the gradient of {larger} is {more / max(less, 1e-300):.3g} times that of {other}"


def draw_sums(xray: Xray, gamma: float, alpha: float | None) -> Figure:
    """The logits of a trained detector by their score, and which of them hold the loss.

    Raises:
        ValueError: if gamma is negative or alpha not in [0, 1].
    """
    figure, (numbers, sums) = _panels(2)
    shares = shares_of(xray, SigmoidFocalLoss(alpha, gamma))
    loss = {name: _sums(xray, SigmoidFocalLoss(alpha, gamma), present) for name, *_, present in _KINDS}
    total = max(sum(x.sum() for x in loss.values()), np.finfo(float).tiny)
    for name, colour, line, present in _KINDS:
        count = _by_score(xray.elements(present)[0], present)
        edges = np.linspace(-LIMIT, LIMIT, len(count) + 1)
        style = dict(color=colour, ls=line, lw=2, label=name)
        numbers.stairs(np.where(count, count, np.nan), edges, **style)
        sums.stairs(100 * loss[name] / total, edges, **style)
    numbers.set(yscale="log", title="number of logits (log scale)")
    sums.set(title="share of the loss, %")
    for axes in (numbers, sums):
        _over_score(axes)
    _legend_below(figure, numbers)
    held = shares.background.held_by_easiest(0.9)
    figure.suptitle(
        f"background holds {100 * shares.of_background[0]:.3g} % of the loss; "
        f"the easiest 90 % of it {100 * held:.3g} % of its loss",
        fontsize=12,
    )
    return figure


def _sums(xray: Xray, loss: ClassificationLoss, present: bool) -> np.ndarray:
    """Loss of the elements in every bar."""
    count, x_t = xray.elements(present)
    return _by_score(count * loss_and_gradient_norm(loss, x_t, present)[0], present)


def _by_score(values: np.ndarray, present: bool) -> np.ndarray:
    """Sums of bins of x_t in bars of the score's log-odds, which are -x_t where the class is absent."""
    return (values if present else values[::-1]).reshape(NUM_BINS // _POOLED, _POOLED).sum(1)


def _panels(number: int) -> tuple[Figure, list[Axes]]:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 3.9) if number > 1 else (6.4, 4.2), layout="constrained")
        axes = figure.subplots(1, number, squeeze=False)[0]
        for one in axes:
            one.grid(alpha=0.25)
    return figure, list(axes)


def _legend_below(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=4)


def _over_score(axes: Axes, prior: float | None = None) -> None:
    """Log-odds as the axis of scores, with a line at `prior`. Few ticks, so that sliders are answered quickly."""
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set(xlim=(log_odds(1e-6), _EDGE), xlabel="score")
    axes.set_xticks(
        [log_odds(p) for p in _TICKS], [f"{p:g}".replace("e-0", "e-") for p in _TICKS], fontsize=10, rotation=40
    )
    if prior is not None:
        axes.axvline(log_odds(prior), color="k", ls=":", lw=1.6, label=f"start: {prior:.2g}")
