"""Fingerprints of what a figure shows."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text


def digest(content: Any) -> str:
    """A short hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def shown_by(figure: Figure) -> Iterator[list[Any]]:
    """What a figure shows: lines, areas and texts, without ticks, whose number depends on matplotlib's version."""
    for axes in figure.findobj(lambda artist: hasattr(artist, "get_xlim")):
        yield [*axes.get_xlim(), *axes.get_ylim()]
        for artist in [*axes.lines, *axes.patches, *axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]:
            yield _described(artist)
        if legend := axes.get_legend():
            yield [text.get_text() for text in legend.get_texts()]


def _described(artist: Line2D | Patch | Text) -> list[Any]:
    if isinstance(artist, Text):
        return [artist.get_text()]
    if isinstance(artist, Line2D):
        return [
            _rounded(artist.get_xydata()),
            str(artist.get_color()),
            artist.get_linestyle(),
            str(artist.get_marker()),
        ]
    shape = artist.get_patch_transform().transform(artist.get_path().vertices)
    return [_rounded(shape), _rounded(artist.get_facecolor()), artist.get_hatch()]


def _rounded(numbers: Any) -> list[str]:
    """To four digits: other processors differ in the last ones."""
    return [f"{x:.4g}" for x in np.ravel(np.asarray(numbers, float))]
