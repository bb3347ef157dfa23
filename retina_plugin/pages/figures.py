"""Figures of pages, one panel each, so that a narrow screen can stack them; and parts of images."""

import base64
import io
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import written_in_full
from ..inference.text import label_text, unknown_characters

# Okabe and Ito 2008: colour-blind readers can tell them apart
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444", "#999933")
_STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "svg.hashsalt": "retina_plugin",  # the same figure gives the same bytes
}


def new_panel(title: str, xlabel: str, ylabel: str = "") -> tuple[Figure, Axes]:
    """An empty figure in the style of all pages."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.8, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title, loc="left", fontsize=12)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.grid(alpha=0.25)
    return figure, axes


def legend_text(name: str) -> str:
    """A name as a short label in a legend, from which matplotlib leaves out labels that begin with an underscore."""
    text = label_text(name)
    return f" {text}" if text.startswith("_") else text


def svg_uri(figure: Figure) -> str:
    """A figure as the data URI of an SVG."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE), unknown_characters():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def save_figure(figure: Figure, path: Path, dpi: int = 150) -> None:
    """Write a figure in full, in the format of the file's suffix, as SVG without a suffix; OSError if that fails."""
    with written_in_full(path) as partial, unknown_characters():
        figure.savefig(partial, format=path.suffix.lstrip(".") or "svg", dpi=dpi)


def jpeg_uri(image: np.ndarray, widest: int = 640) -> str:
    """An RGB image (H, W, 3) uint8 as the data URI of a JPEG, at most `widest` pixels wide.

    Raises:
        OSError: if OpenCV cannot encode it.
    """
    scale = min(1.0, widest / image.shape[1])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not done:
        raise OSError("OpenCV cannot encode a picture as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def square_around(
    boxes: np.ndarray, shape: tuple[int, ...], times: float, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Left and top, right and bottom (2,) in pixels of a square around boxes, cut where the image ends.

    Its side is `times` the longer side of all boxes, (N, 4) XYXY, and at least `least` pixels. `shape` is that of the
    image, (H, W, 3). The square around boxes outside the image is moved to its border.
    """
    low, high, size = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0), np.array(shape[1::-1])
    half, centre = max(times * (high - low).max(), least) / 2, np.clip((low + high) / 2, 0, size)
    return np.clip(centre - half, 0, size).astype(int), np.clip(centre + half, 0, size).astype(int)
