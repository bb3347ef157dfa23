"""The pictures of the documents, drawn from docs/results and from code, each with a fingerprint of what it shows.

The fingerprint is that of the data that is drawn, not of the file: other versions of matplotlib write other bytes.
"""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anchor_sizes
import demo_picture
import gradient_shares
import matplotlib
import numpy as np
from fingerprints import digest, shown_by
from matplotlib.figure import Figure
from PIL import Image
from stored import DOCS, results

from retina_plugin.analysis import loss_curves
from retina_plugin.analysis.imbalance.curves import Curve
from retina_plugin.analysis.imbalance.examine import OWN
from retina_plugin.analysis.imbalance.report.figures import draw_figure_4
from retina_plugin.benchmark.inference.sweep import draw_sweep
from retina_plugin.pages.figures import COLOURS, new_panel
from retina_plugin.study.grid.figure import map_figure
from retina_plugin.study.grid.grid import Axis
from retina_plugin.study.grid.map import NOT_RUN, CellVerdict
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.spec.metrics import COCO_METRICS

RATES = (".001", ".002", ".004")
_LOSSES = {"focal": "focal loss", "ce": "cross entropy"}
_MARK = b"retina-fingerprint:"


def figure4_bccd() -> Figure:
    """Figure 4 of the paper for the blood cells."""
    lines = results("figure4_bccd")["curves"]
    own = next(name for name in lines if name.endswith("(its own)"))
    pairs = {name.removesuffix(" (its own)"): [Curve(*map(np.array, c)) for c in pair] for name, pair in lines.items()}
    pairs[OWN] = pairs[own.removesuffix(" (its own)")]
    shares = {name: SimpleNamespace(foreground=pair[0], background=pair[1]) for name, pair in pairs.items()}
    return draw_figure_4([SimpleNamespace(name="", shares=shares)])


def learning_rates() -> Figure:
    """AP of both losses at three learning rates, mean and standard deviation."""
    found = results("learning_rate")["rows"]
    figure, axes = new_panel("AP after 80 iterations", "learning rate of AdamW", "AP, mean ± deviation of six seeds")
    styles = zip(COLOURS, ("o-", "s--"), (-0.02, 0.02), strict=False)
    for (loss, words), (colour, style, shift) in zip(_LOSSES.items(), styles, strict=True):
        values = [found[f"{loss}_lr{rate}"]["AP"] for rate in RATES]
        places = np.arange(len(RATES)) + shift  # beside each other, so that both deviations are seen
        axes.plot(places, [mean for mean, _ in values], style, color=colour, label=words)
        for x, (mean, spread) in zip(places, values, strict=True):
            axes.plot([x, x], [mean - spread, mean + spread], color=colour, linewidth=1)
    axes.set_xticks(range(len(RATES)), RATES)
    axes.legend(frameon=False)
    return figure


def phase_diagram() -> Figure:
    """The map of the study phase_diagram.py."""
    found = results("phase_diagram")
    rows, columns = (
        Axis(n, dict.fromkeys(found[k], ())) for n, k in (("foreground", "rows"), ("iterations", "columns"))
    )
    maps = {_hypothesis(name): _cells(found, cells) for name, cells in found["cells"].items()}
    return map_figure(rows, columns, maps)


def inference_sweep() -> Figure:
    """Ratios of the time of inference over image sizes, classes and batches."""
    return draw_sweep(results("inference_sweep"))


def _hypothesis(name: str) -> Hypothesis:
    better, than = re.fullmatch(r"(\w+) is better than (\w+) in AP", name).groups()
    return Hypothesis(better, than, COCO_METRICS[0])


def _cells(found: dict[str, Any], cells: list[dict[str, Any]]) -> list[CellVerdict]:
    run = {(cell["row"], cell["column"]) for cell in cells}
    every = itertools.product(found["rows"], found["columns"])
    verdicts = [CellVerdict(*place, NOT_RUN) for place in every if place not in run]
    for cell in cells:
        decided = cell["p"] is not None and cell["p"] < 0.05
        outcome = ("better" if cell["difference"] > 0 else "worse") if decided else "not distinguishable"
        flags = ("spreads further",) if cell["flagged"] else ()
        numbers = (cell["difference"], cell["better"], cell["than"])
        verdicts.append(CellVerdict(cell["row"], cell["column"], outcome, *numbers, flags=flags))
    return verdicts


PICTURES: dict[str, Callable[[], Figure]] = {
    "focal_loss.svg": loss_curves.figure_1,
    "loss_gradients.svg": loss_curves.figure_6,
    "learning_rates.svg": learning_rates,
    "anchor_sizes.svg": anchor_sizes.anchor_sizes,
    "gradient_shares.svg": gradient_shares.gradient_shares,
    "phase_diagram.png": phase_diagram,
    "figure4_bccd.png": figure4_bccd,
    "inference_sweep.svg": inference_sweep,
}


def fingerprints() -> dict[str, str]:
    """By file name, the fingerprint of what each picture has to show now."""
    found = {name: digest(list(shown_by(draw()))) for name, draw in PICTURES.items()}
    return found | {"demo.jpg": digest(demo_picture.shown())}


def stored_fingerprint(path: Path) -> str:
    """The fingerprint in a picture; empty without one."""
    found = re.search(re.escape(_MARK) + rb"([0-9a-f]{16})", path.read_bytes()) if path.is_file() else None
    return found[1].decode() if found else ""


def draw_pictures(folder: Path = DOCS) -> list[Path]:
    """Draw all pictures into a folder; their paths."""
    marks = {name: _MARK.decode() + value for name, value in fingerprints().items()}
    for name, draw in PICTURES.items():
        extra = {"Date": None} if name.endswith(".svg") else {}
        with matplotlib.rc_context({"svg.hashsalt": "retina_plugin"}):  # the same picture gives the same bytes
            draw().savefig(folder / name, dpi=130, facecolor="white", metadata={"Description": marks[name], **extra})
    picture = Image.fromarray(demo_picture.demo())
    picture.thumbnail((1200, 1200))
    picture.save(folder / "demo.jpg", quality=85, comment=marks["demo.jpg"].encode())
    return [folder / name for name in marks]
