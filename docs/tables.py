"""The tables of the documents that are made from docs/results: what their rows must be.

A cell of None stays as it stands: it holds words or links, or its source is not in docs/results.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from figures import results

ROOT = Path(__file__).resolve().parent.parent
FOCAL, ANCHORS = ("projects/CrossEntropyVsFocal/README.md", "projects/AnchorDensity/README.md")
_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
Rows = list[list[str | None]]


@dataclass(frozen=True)
class Table:
    """A table of a Markdown file, found by its header, the first after some words, and what makes its rows."""

    path: str
    header: str
    rows: Callable[[], Rows]
    after: str = ""


def _spread(value: list[float | None]) -> str:
    mean, spread = value
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _p(p: float) -> str:
    """Two digits from .01 to 1, as in .10, and two significant ones below."""
    if p == 1:
        return "1"
    return (f"{p:.2f}" if p > 0.0995 else f"{p:.2g}").removeprefix("0")


def _demo() -> Rows:
    found = results("demo")
    names = ("ce_01", "focal_01", "ce", "focal")
    means = [[_spread(found["rows"][n][m]) for m in _METRICS[:5]] for n in names]
    start = [("own, " if not n.endswith("01") else "") + f"{found['start'][n]:.2g}".removeprefix("0") for n in names]
    above = [_spread(found["above"]["0.05"][n]) for n in names]
    return [[n, s, *m, a] for n, s, m, a in zip(names, start, means, above, strict=True)]


def _scale_means() -> Rows:
    found, rows = results("why_scale")["rows"], []
    for start, shown in (("start_.01", ".01"), ("own_start", "own")):
        for scale in ("own", "matched"):
            cells = [_spread(found[f"{start}-{gamma}-{scale}_scale"]["AP"]) for gamma in ("gamma_0", "gamma_2")]
            rows.append([shown, scale, *cells])
    return rows


def _scale_effects() -> Rows:
    found = results("why_scale")["effects"]
    pair = next(name for name in found if "×" in name and "start" in name and "focus" in name)
    names = [next(name for name in found if name.startswith(c)) for c in ("start: ", "focus: ", "scale: ")] + [pair]
    return [
        [None, _signed(m), f"{_signed(low)} to {_signed(high)}", _p(p)] for m, low, high, p in map(found.get, names)
    ]


def _anchors() -> Rows:
    found = results("anchors")["rows"]
    return [[None, None, None, _spread(found[n]["AP"])] for n in ("default", "searched")] + [[None] * 4]


def _zoo() -> Rows:
    found = results("zoo")
    return [[None, None, *_of_run(found[n], _METRICS), None, None] for n in ("run_bccd", "run_quick")]


def _blood_cells() -> Rows:
    return [_of_run(results("zoo")["run_bccd"], (*_METRICS, "AP-RBC", "AP-WBC", "AP-Platelets"))]


def _box_losses() -> Rows:
    found = results("box_losses")["rows"]
    return [[None, *(_spread(found[n][m]) for m in _METRICS[:3]), None] for n in ("l1", "smooth_l1", "giou")]


def _of_run(found: dict[str, float | None], metrics: tuple[str, ...]) -> list[str]:
    values = [found.get(f"bbox/{m}") for m in metrics]
    return ["–" if x is None or x != x else f"{x:.1f}" for x in values]


def _errors() -> Rows:
    found = results("errors_bccd")
    kinds = [found[kind] for kind in ("Bkg", "Loc", "Dupe", "Miss", "Cls", "Both")]
    return [[None, f"{x['value']:.2f}", f"{x['low']:.2f} to {x['high']:.2f}"] for x in kinds]


def _map(name: str) -> Callable[[], Rows]:
    def rows() -> Rows:
        found = results("phase_diagram")
        cells = {(c["row"], c["column"]): c for c in found["cells"][name]}
        columns = found["columns"][:3]
        return [[row, *(_cell(cells.get((row, column))) for column in columns)] for row in found["rows"][1:]]

    return rows


def _cell(cell: dict[str, float] | None) -> str:
    if cell is None:
        return "not run"
    text = f"{_signed(cell['difference'])} ({cell['better']:.1f}, {cell['than']:.1f})"
    if cell["p"] is None:
        return text
    text += f", p = {_p(cell['p'])}"
    return f"**{text}**" if cell["p"] < 0.05 else text


TABLES = (
    Table("README.md", "| variant | start | AP | AP50 | AP75 | APs | APm | AP, scores above .05 |", _demo),
    Table(FOCAL, "| own starts: focal − ce (focal, ce) | 40 | 120 | 360 |", _map("focal is better than ce in AP")),
    Table(
        FOCAL, "| both from .01: focal − ce (focal, ce) | 40 | 120 | 360 |", _map("focal_01 is better than ce_01 in AP")
    ),
    Table(FOCAL, "| start | scale | gamma 0 (cross entropy) | gamma 2 (focal loss) |", _scale_means),
    Table(
        FOCAL,
        "| effect on AP | difference | 95 % interval | p |",
        _scale_effects,
        after="`why_scale.py` has the scale",
    ),
    Table(
        ANCHORS,
        "| anchors | per image | boxes with an anchor at IoU .5 (images not searched) | AP of three seeds |",
        _anchors,
    ),
    Table("MODEL_ZOO.md", "| config | data | AP | AP50 | AP75 | APs | APm | APl | iterations | minutes |", _zoo),
    Table(
        "projects/BloodCells/README.md",
        "| AP | AP50 | AP75 | APs | APm | APl | red cells | white cells | platelets |",
        _blood_cells,
    ),
    Table(
        "projects/BloodCells/README.md",
        "| box loss | AP | AP50 | AP75 | GIoU minus it in AP, 95 % interval |",
        _box_losses,
    ),
    Table("docs/analysis.md", "| fixed, IoU .5 | AP added, blood cells | 95 % interval over images |", _errors),
)


def updated(table: Table, text: str) -> str:
    """The text of a document with the rows of a table as they must be; ValueError if it has no such table."""
    head = text.find(table.header, text.find(table.after))
    if head < 0 or table.after not in text:
        raise ValueError(f"{table.path} has no table {table.header!r}: correct docs/tables.py")
    begin = text.index("\n|---", head) + 1
    begin = text.index("\n", begin) + 1
    end = text.find("\n\n", begin) + 1 or len(text)
    lines, rows = text[begin:end].splitlines(), table.rows()
    if len(lines) != len(rows):
        raise ValueError(f"{table.path}: the table {table.header!r} has {len(lines)} rows, its results {len(rows)}")
    return text[:begin] + "".join(_line(*pair) for pair in zip(lines, rows, strict=True)) + text[end:]


def _line(line: str, row: list[str | None]) -> str:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    return "| " + " | ".join(old if new is None else new for old, new in zip(cells, row, strict=True)) + " |\n"
