"""The page of one run: its training, its errors, what the doctor says of it, and its config."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..files import write_text
from ..inference.images import check_file
from ..pages.figures import COLOURS, new_panel, svg_uri
from ..run_folder import CONFIG, REPORT, last_evaluation, read_metrics
from .doctor.examine import examine_run
from .errors.analysis import analyze_run
from .errors.page import as_content, render_errors
from .pasting import word

_TEMPLATE = "run.html.j2"
_PANELS = (  # title, whether its axis is logarithmic, and keys of metrics.json with their lines
    ("losses of training", True, {"loss_cls": "-", "loss_box_reg": "--"}),
    ("AP on the test data", False, {"bbox/AP": "-", "bbox/AP50": "--"}),
    ("loss on the test data", True, {"validation/loss_cls": "-", "validation/loss_box_reg": "--"}),
    ("learning rate", False, {"lr": "-"}),
    ("norm of the gradient", True, {"grad_norm": "-"}),
)


def write_run_report(
    run_dir: str | Path, output: str | Path | None = None, max_images: int | None = 500, trust: Sequence[str] = ()
) -> Path:
    """Write the page of a run folder: training, errors, findings, config; returns its path.

    Args:
        run_dir: a run folder with the detections of an evaluation.
        output: the file; by default report.html in the run folder.
        max_images: number of images whose anchors are computed, to explain errors; None for all. With 0, which takes
            seconds only, anchors are left out.
        trust: modules of your own that its config may use.

    Raises:
        ConfigError, DataError: if the folder holds no run or no detections.
        OSError: if the file cannot be written.
    """
    page = Path(output or Path(run_dir, REPORT))
    if output is not None:
        check_file(page)
    errors = analyze_run(run_dir, max_images=max_images, trust=trust, name=Path(run_dir).resolve().name)
    findings = examine_run(run_dir, trust)
    more = {"training": _training(Path(run_dir)), "findings": findings}
    write_text(page, render_errors([errors], as_content([errors]), _TEMPLATE, more))
    return page


def draw_metrics(run_dir: str | Path) -> list[Figure]:
    """Losses, AP, learning rate and gradient of a run over its iterations, as far as metrics.json has them."""
    metrics = read_metrics(run_dir)
    return [figure for panel in _PANELS if (figure := _draw(metrics, *panel)) is not None]


def _training(run_dir: Path) -> dict[str, Any]:
    metrics = read_metrics(run_dir)
    evaluation = last_evaluation(run_dir)
    seconds = [line["time"] for line in metrics if math.isfinite(line.get("time", math.nan))]
    # iterations count from 0; the line of the last evaluation has their number
    iterations = max((line["iteration"] + ("lr" in line) for line in metrics), default=0)
    return {
        "iterations": iterations,
        "minutes": sum(seconds) / len(seconds) * iterations / 60 if seconds else None,
        "figures": [svg_uri(figure) for figure in draw_metrics(run_dir)],
        "predicts_from": evaluation.get("best_F1/score_thresh"),
        "evaluation": {name: value for name, value in evaluation.items() if "/" in name},
        "config_file": word(run_dir / CONFIG),
        "config": (run_dir / CONFIG).read_text(encoding="utf-8").splitlines(),
    }


def _draw(metrics: Sequence[dict[str, Any]], title: str, log: bool, lines: dict[str, str]) -> Figure | None:
    """Values over iterations; None if no line of metrics.json has any of the keys."""
    figure, axes = new_panel(title, "iteration")
    for place, (key, style) in enumerate(lines.items()):
        points = [(line["iteration"], line[key]) for line in metrics if math.isfinite(line.get(key, math.nan))]
        if points:
            marker = "o" if len(points) < 12 else None
            label = key.rpartition("/")[2]
            axes.plot(*zip(*points, strict=True), style, color=COLOURS[place], marker=marker, label=label)
    if not axes.lines:
        return None
    if log and all(min(line.get_ydata()) > 0 for line in axes.lines):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure
