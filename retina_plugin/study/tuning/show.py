"""Results of a tuning as a table, and AP over trials as a figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

from ...files import write_text
from ...pages.figures import COLOURS, legend_text, new_panel, save_figure

TABLE, FIGURE = "tuning.txt", "tuning.png"
_HEADERS = ("variant", "trials", "diverged", "iterations", "minutes", "AP of the defaults", "best AP")
_NOTE = (
    "AP without a score threshold, on images that are neither trained on nor in the test data, after the longest "
    "training. The best of several trials looks better than it is: compare variants with retina ablate --tuned-by."
)


def tuning_table(tuned: Mapping[str, Mapping[str, Any]]) -> str:
    """The variants of tuned.json with their budgets, the AP of their defaults and of the best trial, and its values."""
    rows = [
        (
            name,
            found["trials"],
            sum(bool(run["error"]) for run in found["runs"]),
            found["iterations"],
            *(f"{found[key]:.1f}" for key in ("minutes", "default_AP", "AP")),
        )
        for name, found in tuned.items()
    ]
    best = [f"{name}: {' '.join(found['overrides']) or 'the defaults'}" for name, found in tuned.items()]
    rungs = [[f"{trials} of {iterations}" for iterations, trials in found["rungs"]] for found in tuned.values()]
    budgets = " or ".join(sorted({", then ".join(rung) for rung in rungs}))
    table = tabulate(rows, _HEADERS, tablefmt="simple", disable_numparse=True)
    return "\n\n".join((table, "\n".join(best), f"Trainings per variant: {budgets} iterations.\n{_NOTE}")) + "\n"


def draw_tuning(tuned: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Best AP so far over the trials of the first rung, one curve per variant, and the AP of every trial as a dot."""
    rungs = {found["rungs"][0][0] for found in tuned.values()}
    iterations = " or ".join(map(str, sorted(rungs)))
    figure, axes = new_panel(f"best AP so far, {iterations} iterations per trial", "trials", "AP on held-out images")
    for place, (name, found) in enumerate(tuned.items()):
        values = [run["ap"] for run in found["runs"][: found["rungs"][0][1]]]
        number, colour = np.arange(1, len(values) + 1), COLOURS[place % len(COLOURS)]
        axes.step(number, np.maximum.accumulate(values), where="post", color=colour, label=legend_text(name))
        axes.plot(number, values, ".", color=colour, alpha=0.5)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=10)
    return figure


def save_tuning(folder: Path, tuned: Mapping[str, Mapping[str, Any]]) -> None:
    """Write table and figure into the folder of a tuning."""
    write_text(folder / TABLE, tuning_table(tuned))
    save_figure(draw_tuning(tuned), folder / FIGURE)
