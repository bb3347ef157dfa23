"""The tables of the documents that are made from docs/results."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cell_rows as cells
import loss_rows as losses
import table_rows as made
from table_cells import Rows

ROOT = Path(__file__).resolve().parent.parent
FOCAL, CELLS, ANCHORS = (
    f"projects/{name}.md"
    for name in ("CrossEntropyVsFocal/README", "CrossEntropyVsFocal/on_blood_cells", "AnchorDensity/README")
)


@dataclass(frozen=True)
class Table:
    """A table of a Markdown file, found by its header, the first after some words, and what makes its rows."""

    path: str
    header: str
    rows: Callable[[], Rows]
    after: str = ""


TABLES = (
    Table(
        "README.md",
        "| AP, mean ± standard deviation over seeds | cross entropy | focal loss | difference, 95 % interval |",
        losses.starts_rates_and_cells,
    ),
    Table(
        FOCAL,
        "| AP of six seeds | cross entropy | focal loss | difference, 95 % interval |",
        losses.starts_and_rates,
    ),
    Table(
        "projects/LabelErrors/README.md",
        "| trained on | AP | AP50 | AP75 | difference in AP from faulty annotations |",
        made.label_errors,
    ),
    Table("README.md", "| variant | start | AP | AP50 | AP75 | APs | APm | AP, scores above .05 |", made.demo),
    Table(
        FOCAL,
        "| own starts: focal − ce (focal, ce) | 40 | 120 | 360 |",
        losses.map_of("focal is better than ce in AP"),
    ),
    Table(
        FOCAL,
        "| both from .01: focal − ce (focal, ce) | 40 | 120 | 360 |",
        losses.map_of("focal_01 is better than ce_01 in AP"),
    ),
    Table(
        FOCAL,
        "| at .002: row, iterations | cross entropy | focal loss | difference, 95 % interval | difference at .001 |"
        " each at its better rate |",
        losses.higher_rate,
    ),
    Table(
        FOCAL,
        "| row, iterations | cross entropy | focal loss | difference, 95 % interval | at a third of the iterations |",
        losses.longer,
    ),
    Table(FOCAL, "| 4e-3, 1080 iterations, new seeds | AP | AP50 | AP75 |", losses.ce_weight_shapes),
    Table(
        FOCAL,
        "| difference in AP | .001, seeds 3 to 5 | .002, seeds 3 to 5 | .002, seeds 6 to 10 | .002, all eight |",
        losses.ce_weight_shapes_verdicts,
    ),
    Table(FOCAL, "| 4e-3, 1080 iterations, .002, more new seeds | AP | AP50 | AP75 |", losses.focal_weight_shapes),
    Table(FOCAL, "| AP of six seeds | AP | AP50 | AP75 | APs | APm | AP, scores above .05 |", losses.starts),
    Table(
        FOCAL, "| focal loss minus cross entropy, AP | seeds 0, 1, 2 | seeds 3, 4, 5 | all six |", losses.start_verdicts
    ),
    Table(
        FOCAL,
        "| variant | AP | AP50 | AP75 | APs | APm | AP, scores above .05 | updates clipped |",
        losses.matched,
    ),
    Table(FOCAL, "| start | alpha | gamma 0 (cross entropy) | gamma 2 (focal loss) |", losses.why_means),
    Table(
        FOCAL,
        "| effect on AP | difference | 95 % interval | p |",
        losses.why_effects,
        after="`why.py` trains every combination",
    ),
    Table(FOCAL, "| start | scale | gamma 0 (cross entropy) | gamma 2 (focal loss) |", losses.scale_means),
    Table(
        FOCAL,
        "| effect on AP | difference | 95 % interval | p |",
        losses.scale_effects,
        after="`why_scale.py` has the scale",
    ),
    Table(CELLS, "| focal loss minus cross entropy, AP on blood cells | seeds |", cells.leads_bccd),
    Table(CELLS, "| start, AP on blood cells | cross entropy | focal loss |", cells.start_bccd),
    Table(CELLS, "| effect on AP on blood cells | difference | 95 % interval | p |", cells.effects_bccd),
    Table(
        CELLS,
        "| learning rate on blood cells | cross entropy | focal loss | difference, 95 % interval |",
        cells.rates_bccd,
    ),
    Table(CELLS, "| AP on blood cells, five new seeds | AP | AP50 | AP75 | APs | APm | APl |", cells.confirmed_bccd),
    Table(CELLS, "| AP of new seeds | difference | 95 % interval | p |", cells.confirmed_bccd_verdicts),
    Table(CELLS, "| AP on blood cells, all alike | gamma 0 | gamma 2 |", cells.alpha_and_gamma_bccd),
    Table(CELLS, "| alpha and gamma | difference in AP | 95 % interval | p |", cells.alpha_and_gamma_bccd_verdicts),
    Table(CELLS, "| AP on blood cells (share of classification) | gamma 0 | gamma 2 |", cells.box_share),
    Table(CELLS, "| gamma and the weight | difference in AP | 95 % interval | p |", cells.box_share_verdicts),
    Table(
        CELLS,
        "| weight of cross entropy | AP | AP50 | AP75 | APs | APm | APl | share of classification |",
        cells.ce_weight,
    ),
    Table(CELLS, "| weight of cross entropy | difference in AP | 95 % interval | p |", cells.ce_weight_verdicts),
    Table(CELLS, "| AP on held-out blood cells; learning rate, weight |", cells.tuning_bccd),
    Table(
        CELLS,
        "| tuned on blood cells | rate, weight | AP | AP50 | AP75 | APs | APm | APl | share of classification |",
        cells.tuned_bccd,
    ),
    Table(CELLS, "| tuned: focal loss minus | difference in AP | 95 % interval | p |", cells.tuned_bccd_verdicts),
    Table(
        ANCHORS,
        "| anchors | per image | boxes with an anchor at IoU .5 (images not searched) | AP of three seeds |",
        made.anchors,
    ),
    Table(
        ANCHORS,
        "| one level, anchors | per image | training boxes with an anchor at IoU .5 | AP, three seeds | AP, matched |",
        made.anchor_levels,
    ),
    Table(ANCHORS, "| level and size | difference in AP, 95 % interval | matched |", made.anchor_levels_verdicts),
    Table(ANCHORS, "| features | locations | AP, three seeds | AP, matched |", made.anchor_features),
    Table(ANCHORS, "| features and locations | effect on AP, 95 % interval | matched |", made.anchor_features_effects),
    Table(ANCHORS, "| AP on blood cells | AP | AP50 | AP75 | red cells | white cells | platelets |", made.anchors_bccd),
    Table(ANCHORS, "| searched minus default | difference | 95 % interval | p |", made.anchors_bccd_verdicts),
    Table("docs/losses.md", "| NAME | class | settings | source |", made.named_losses),
    Table("MODEL_ZOO.md", "| config | data | AP | AP50 | AP75 | APs | APm | APl | iterations | minutes |", made.zoo),
    Table(
        "projects/BloodCells/README.md",
        "| AP | AP50 | AP75 | APs | APm | APl | red cells | white cells | platelets |",
        made.blood_cells,
    ),
    Table(
        "projects/BloodCells/README.md",
        "| box loss | AP | AP50 | AP75 | GIoU minus it in AP, 95 % interval |",
        made.box_losses,
    ),
    Table("docs/analysis.md", "| fixed, IoU .5 | AP added, blood cells | 95 % interval over images |", made.errors),
)


def updated(table: Table, text: str) -> str:
    """The text of a document with the rows of a table as they must be; ValueError if it has no such table."""
    head = text.find(table.header, text.find(table.after))
    if head < 0 or table.after not in text:
        raise ValueError(f"{table.path} has no table {table.header!r}: correct docs/tables.py")
    begin = text.index("\n|---", head) + 1
    begin = text.index("\n", begin) + 1
    end = text.find("\n\n", begin) + 1 or len(text)
    lines, wanted = text[begin:end].splitlines(), table.rows()
    if len(lines) != len(wanted):
        raise ValueError(f"{table.path}: the table {table.header!r} has {len(lines)} rows, its results {len(wanted)}")
    return text[:begin] + "".join(_line(*pair) for pair in zip(lines, wanted, strict=True)) + text[end:]


def _line(line: str, row: list[str | None]) -> str:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    return "| " + " | ".join(old if new is None else new for old, new in zip(cells, row, strict=True)) + " |\n"
