"""How the imbalance of a training changed, from what `train.imbalance_period` recorded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...evaluation.box_metrics import SIZES
from ...evaluation.imbalance import PT_EDGES, QUANTITIES, imbalance_shares
from ...pages.figures import COLOURS, new_panel
from ...run_folder import read_imbalance

Record = Mapping[str, Any]
_WORDS = dict(zip(QUANTITIES, ("loss", "gradient"), strict=True))
_MOST_POINTS = 40  # of a line; each is then a mean over successive records
_PHASES = 5  # of the training, after its first batch
_LEAST = 1e-5  # share of the anchors that is drawn with height 0
_LINES = ("-", "--", ":", "-.", (0, (1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "x")
_TICKS = (1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999)  # p_t


def draw_history(run_dir: str | Path) -> list[Figure]:
    """Figures of a run folder: shares of background, levels and sizes over iterations, and p_t in phases of training.

    The list is empty without records. With more than 40 records, each point of a line is a mean over successive ones.
    """
    records = read_imbalance(run_dir)
    if not records:
        return []
    levels = list(records[0]["background"])
    return [
        _draw_background(records),
        *(_draw_groups(records, q, "level", levels, "by pyramid level") for q in QUANTITIES),
        *(_draw_groups(records, q, "size", SIZES, "of foreground by object size") for q in QUANTITIES),
        *(_draw_phases(records, kind) for kind in ("background", "foreground")),
    ]


def _draw_background(records: Sequence[Record]) -> Figure:
    lines = {f"of the {_WORDS[q]}": _shares(records, f"{q}.background") for q in QUANTITIES}
    lines["of the anchors"] = [_background_of_anchors(record) for record in records]
    return _draw_lines(records, lines, "share of background; the rest is foreground")


def _draw_groups(records: Sequence[Record], quantity: str, kind: str, names: Sequence[str], what: str) -> Figure:
    lines = {name: _shares(records, f"{quantity}.{kind}.{name}") for name in names}
    return _draw_lines(records, lines, f"share of the {_WORDS[quantity]} {what}")


def _shares(records: Sequence[Record], name: str) -> list[float]:
    """A share of every record, NaN where it has none."""
    return [imbalance_shares(record).get(name, np.nan) for record in records]


def _background_of_anchors(record: Record) -> float:
    behind, before = (sum(row[2] for row in record[kind].values()) for kind in ("background", "foreground"))
    return behind / max(behind + before, 1)


def _draw_lines(records: Sequence[Record], lines: Mapping[str, Sequence[float]], title: str) -> Figure:
    each = -(-len(records) // _MOST_POINTS)
    figure, axes = new_panel(title, "iteration" if each == 1 else f"iteration, means over {each} records", "share")
    iterations = np.array([record["iteration"] for record in records], float)
    for place, (name, values) in enumerate(lines.items()):
        x, y = _means(iterations, each), _means(np.array(values), each)
        style = {"color": COLOURS[place % len(COLOURS)], "linestyle": _LINES[place % len(_LINES)]}
        marks = {"marker": _MARKERS[place % len(_MARKERS)], "markersize": 4, "markevery": max(1, len(x) // 10)}
        axes.plot(x, y, label=name, **style, **marks)
    axes.set_ylim(-0.02, 1.02)
    figure.legend(loc="outside lower center", frameon=False, fontsize=9, ncols=len(lines))
    return figure


def _means(values: np.ndarray, each: int) -> np.ndarray:
    """Means over successive groups of `each` values that are not NaN; NaN for a group of NaN."""
    padded = np.append(values, np.full(-len(values) % each, np.nan)).reshape(-1, each)
    number = np.isfinite(padded).sum(axis=1)
    return np.where(number, np.nansum(padded, axis=1) / np.maximum(number, 1), np.nan)


def _draw_phases(records: Sequence[Record], kind: str) -> Figure:
    """Histograms of p_t above each other: of the first batch at the top, then of phases of the training.

    The height is the logarithm of the share of the anchors, because few anchors can have most of the loss.
    """
    figure, axes = new_panel(f"{kind} anchors by $p_t$, log scale", "$p_t$, scale of log-odds", "iterations")
    phases = [records[:1], *(records[i[0] : i[-1] + 1] for i in _phases(len(records)))]
    for place, phase in enumerate(phases):
        top = 0.9 * _heights(phase, kind) - place
        axes.stairs(top, PT_EDGES, baseline=-place, fill=True, color=COLOURS[0], alpha=0.45)
        axes.stairs(top, PT_EDGES, baseline=-place, color="#222222", linewidth=0.9)
    axes.axvline(0, color="#888888", linestyle=":", linewidth=1)
    axes.set_yticks([-place for place in range(len(phases))], [_span(phase) for phase in phases])
    axes.set_xticks([np.log(p / (1 - p)) for p in _TICKS], [f"{p:g}" for p in _TICKS])
    axes.set_xlim(PT_EDGES[0], PT_EDGES[-1])
    return figure


def _phases(number: int) -> list[np.ndarray]:
    """Indices of the records after the first one, in successive parts of about the same length."""
    return [part for part in np.array_split(np.arange(1, number), _PHASES) if len(part)]


def _heights(records: Sequence[Record], kind: str) -> np.ndarray:
    """(40,) in [0, 1]: 0 for a bin with at most `_LEAST` of the anchors, 1 for one with all of them."""
    counts = np.sum([record["p_t"][kind] for record in records], axis=0)
    return 1 - np.log(np.clip(counts / max(counts.sum(), 1), _LEAST, 1)) / np.log(_LEAST)


def _span(records: Sequence[Record]) -> str:
    first, last = records[0]["iteration"], records[-1]["iteration"]
    return str(first) if first == last else f"{first}–{last}"
