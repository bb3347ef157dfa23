"""The pictures of the documents, drawn from docs/results and from code, each with a fingerprint of what it shows.

The fingerprint is that of the data that is drawn, not of the file: other versions of matplotlib write other bytes.
"""

import contextlib
import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from PIL import Image
from pycocotools.coco import COCO

from retina_plugin.analysis import loss_curves
from retina_plugin.analysis.imbalance.curves import Curve
from retina_plugin.analysis.imbalance.examine import OWN
from retina_plugin.analysis.imbalance.report.figures import draw_figure_4
from retina_plugin.inference.visualize import grid, titled
from retina_plugin.study.grid.figure import map_figure
from retina_plugin.study.grid.grid import Axis
from retina_plugin.study.grid.map import NOT_RUN, CellVerdict
from retina_plugin.study.report.judged_boxes import STYLES, JudgedBox, draw_judged, judge_boxes
from retina_plugin.study.spec.hypothesis import Hypothesis
from retina_plugin.study.spec.metrics import COCO_METRICS

DOCS = Path(__file__).resolve().parent
_MARK = b"retina-fingerprint:"
_THRESHOLD = 0.5  # of the detections of demo.jpg
_LEGEND = "legend"


def results(name: str) -> Any:
    """A file of docs/results."""
    return json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8"))


def figure4_bccd() -> Figure:
    """Figure 4 of the paper for the blood cells."""
    lines = results("figure4_bccd")["curves"]
    own = next(name for name in lines if name.endswith("(its own)"))
    pairs = {name.removesuffix(" (its own)"): [Curve(*map(np.array, c)) for c in pair] for name, pair in lines.items()}
    pairs[OWN] = pairs[own.removesuffix(" (its own)")]
    shares = {name: SimpleNamespace(foreground=pair[0], background=pair[1]) for name, pair in pairs.items()}
    return draw_figure_4([SimpleNamespace(name="", shares=shares)])


def phase_diagram() -> Figure:
    """The map of the study phase_diagram.py."""
    found = results("phase_diagram")
    rows, columns = (
        Axis(n, dict.fromkeys(found[k], ())) for n, k in (("foreground", "rows"), ("iterations", "columns"))
    )
    maps = {_hypothesis(name): _cells(found, cells) for name, cells in found["cells"].items()}
    return map_figure(rows, columns, maps)


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


def demo_tiles() -> dict[str, list[JudgedBox]]:
    """By title, the boxes of demo.jpg."""
    found = results("demo_image")
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 1}],
        "categories": [{"id": int(k), "name": name} for k, name in found["categories"].items()],
        "annotations": [
            {"id": n, "image_id": 1, "iscrowd": 0, "area": x["bbox"][2] * x["bbox"][3], **x}
            for n, x in enumerate(found["objects"], 1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    objects = [JudgedBox(x["bbox"], "object", found["categories"][str(x["category_id"])]) for x in found["objects"]]
    tiles = {"ground truth": objects}
    for name in ("ce_01", "focal_01", "ce", "focal"):
        detections = [d | {"image_id": 1} for d in found["found"][name] if d["score"] >= _THRESHOLD]
        tiles[f"{name}, score at least {_THRESHOLD:g}"] = judge_boxes(truth, detections, 1, 100)
    kinds = {"object": "object", "right": "right detection", "false": "false detection", "missed": "missed object"}
    places = [[14, 20 + 28 * row, 14, 10] for row in range(len(kinds))]
    legend = [JudgedBox(box, kind, text) for box, (kind, text) in zip(places, kinds.items(), strict=True)]
    return tiles | {_LEGEND: legend}


def demo() -> np.ndarray:
    """A test image of the demo under its four detectors, and a legend, in two rows; RGB."""
    pixels = np.asarray(Image.open(DOCS / "results" / "demo_image.png").convert("RGB"))
    plain = np.full_like(pixels, 96)
    tiles = [
        titled(draw_judged(plain if title == _LEGEND else pixels, boxes), title)
        for title, boxes in demo_tiles().items()
    ]
    return grid([tiles[:3], tiles[3:]])


PICTURES: dict[str, Callable[[], Figure]] = {
    "focal_loss.svg": loss_curves.figure_1,
    "loss_gradients.svg": loss_curves.figure_6,
    "phase_diagram.png": phase_diagram,
    "figure4_bccd.png": figure4_bccd,
}


def fingerprints() -> dict[str, str]:
    """By file name, the fingerprint of what each picture has to show now."""
    image = hashlib.sha256((DOCS / "results" / "demo_image.png").read_bytes()).hexdigest()
    tiles = {title: [(b.kind, b.label, np.round(b.box, 2).tolist()) for b in x] for title, x in demo_tiles().items()}
    found = {name: _digest(list(_drawn(draw()))) for name, draw in PICTURES.items()}
    return found | {"demo.jpg": _digest([image, STYLES, tiles])}


def stored_fingerprint(path: Path) -> str:
    """The fingerprint in a picture; empty without one."""
    found = re.search(re.escape(_MARK) + rb"([0-9a-f]{16})", path.read_bytes()) if path.is_file() else None
    return found[1].decode() if found else ""


def draw_pictures(folder: Path = DOCS) -> list[Path]:
    """Draw all pictures into a folder; their paths."""
    marks = {name: _MARK.decode() + value for name, value in fingerprints().items()}
    for name, draw in PICTURES.items():
        extra = {"Date": None} if name.endswith(".svg") else {}
        draw().savefig(folder / name, dpi=130, facecolor="white", metadata={"Description": marks[name], **extra})
    picture = Image.fromarray(demo())
    picture.thumbnail((1200, 1200))
    picture.save(folder / "demo.jpg", quality=85, comment=marks["demo.jpg"].encode())
    return [folder / name for name in marks]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _drawn(figure: Figure) -> Iterator[list[Any]]:
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
