"""The rows of the tables of projects/CrossEntropyVsFocal on synthetic shapes, from docs/results."""

from collections.abc import Callable, Sequence
from typing import Any

from stored import results
from table_cells import METRICS, Rows, difference, differences, p_value, pair_of, signed, spread

# the study ce_weight_shapes.py, as it is, and twice at .002
WEIGHTS = ("ce_weight_shapes", "ce_weight_shapes_002", "ce_weight_shapes_002_new")
# cells of the map, and which was trained for a third of the iterations
LONGER = {"1e-4/120": "1e-4/40", "2e-4/360": "2e-4/120"} | {
    f"{share}/1080": f"{share}/360" for share in ("1e-3", "4e-3", "1e-2")
}


def starts() -> Rows:
    """Six variants by start, six seeds; in brackets the difference from focal loss."""
    found = results("start")
    rows, above = found["rows"], found["above"]["0.05"]
    lead = rows["focal"]["AP"][0]
    changes = {name: f" ({signed(own['AP'][0] - lead)})" if name != "focal" else "" for name, own in rows.items()}
    return [
        [None, spread(own["AP"]) + changes[name], *(spread(own[m]) for m in METRICS[1:5]), spread(above[name])]
        for name, own in rows.items()
    ]


def start_verdicts() -> Rows:
    """Focal loss minus cross entropy from three starts: of three seeds, of three others, and without p of all six."""
    found = [results(name)["verdicts"].values() for name in ("start_seeds_012", "start_seeds_345", "start")]
    return [
        [None, difference(*first), difference(*second), difference(*both[:3])]
        for first, second, both in zip(*found, strict=True)
    ]


def matched() -> Rows:
    """Focal loss and cross entropy with start, scale and clipping made alike; in brackets the difference from focal."""
    found = results("matched")
    focal, ce = (found["rows"][name] for name in ("focal", "ce"))
    changes = [f"{spread(ce[m])} ({signed(ce[m][0] - focal[m][0])})" for m in METRICS[:5]]
    cells = {"focal": [spread(focal[m]) for m in METRICS[:5]], "ce": changes}
    return [[name, *own, spread(found["above"]["0.05"][name]), None] for name, own in cells.items()]


def why_means() -> Rows:
    found = results("why")["rows"]
    return [
        [None, None, *(spread(found[f"{start}-{alpha}-gamma_{gamma}"]["AP"]) for gamma in (0, 2))]
        for start in ("start_.01", "own_start")
        for alpha in ("alpha_.5", "alpha_.25")
    ]


def why_effects() -> Rows:
    return _effects("why", "start: ", "alpha: ", "focus: ")


def scale_means() -> Rows:
    found, rows = results("why_scale")["rows"], []
    for start, shown in (("start_.01", ".01"), ("own_start", "own")):
        for scale in ("own", "matched"):
            cells = [spread(found[f"{start}-{gamma}-{scale}_scale"]["AP"]) for gamma in ("gamma_0", "gamma_2")]
            rows.append([shown, scale, *cells])
    return rows


def scale_effects() -> Rows:
    return _effects("why_scale", "start: ", "focus: ", "scale: ")


def _effects(name: str, *begins: str) -> Rows:
    """The effects of three factors, and of start and focus together."""
    found = results(name)["effects"]
    pair = next(name for name in found if "×" in name and "start" in name and "focus" in name)
    names = [next(name for name in found if name.startswith(begin)) for begin in begins]
    return differences(map(found.get, [*names, pair]))


def starts_and_rates() -> Rows:
    """AP of six seeds of both losses: by learning rate from their own starts, then tuned."""
    rates, tuned = results("learning_rate"), results("tuned")
    pairs = [(rates, f"ce_lr{rate}", f"focal_lr{rate}") for rate in (".001", ".002", ".004")] + [(tuned, "ce", "focal")]
    return [[None, *pair_of(*pair)] for pair in pairs]


def starts_rates_and_cells() -> Rows:
    """`starts_and_rates`; longer trainings with new seeds; blood cells with new seeds, also tuned."""
    long, *cells = (results(name) for name in ("ce_weight_shapes_002_all", "confirm_bccd", "tuned_bccd"))
    longer = [[None, *pair_of(long, ce, "focal", with_p=False)] for ce in ("ce", "ce_.18")]
    return [*starts_and_rates(), *longer, *([None, *pair_of(found, "ce", "focal")] for found in cells)]


def longer() -> Rows:
    """Cells of the map after longer training at .001, one of them longer still; last, the difference before that."""
    cells = [_of_cell("map_long", cell) + [_lead(before)] for cell, before in LONGER.items()]
    return cells + [[None, *pair_of(results("demo_3240"), "ce", "focal", with_p=False), _lead("1e-3/1080")]]


def higher_rate() -> Rows:
    """Cells of the map at .002; then the difference at .001, and with each loss at the better of both rates."""
    rows = []
    for cell, found in results("map_002").items():
        rates = _means(cell), _of_both(found)
        focal, ce = (max(rates, key=lambda rate: rate[loss]) for loss in ("focal", "ce"))
        best = focal["difference"] if focal is ce else focal["focal"] - ce["ce"]
        rows.append(_of_cell("map_002", cell) + [_lead(cell), signed(best)])
    return rows


def _of_cell(name: str, cell: str) -> list[str | None]:
    return [None, *pair_of(results(name)[cell], "ce", "focal", with_p=False)]


def _lead(cell: str) -> str:
    return signed(_means(cell)["difference"])


def _means(cell: str) -> dict[str, float]:
    """AP of both losses in a cell of the map at .001, from their own starts, and the difference."""
    long = results("map_long").get(cell)
    if long:
        return _of_both(long)
    found = results("phase_diagram")["cells"]["focal is better than ce in AP"]
    one = next(c for c in found if f"{c['row']}/{c['column']}" == cell)
    return {"focal": one["better"], "ce": one["than"], "difference": one["difference"]}


def _of_both(found: dict[str, Any]) -> dict[str, float]:
    focal, ce = (found["rows"][loss]["AP"][0] for loss in ("focal", "ce"))
    return {"focal": focal, "ce": ce, "difference": focal - ce}


def ce_weight_shapes() -> Rows:
    """Cross entropy with two weights, and focal loss, after 1080 iterations; the share of classification at the end."""
    return _with_shares(WEIGHTS, ("ce", "ce_.18", "focal"))


def focal_weight_shapes() -> Rows:
    """Focal loss with two weights, in the same way, shares of seed 11; last, without p, the difference on all seeds."""
    names = ("focal_weight_shapes", "focal_weight_shapes_new")
    changes = [results(name)["verdicts"]["focal − focal_6.1 in AP"] for name in (*names, "focal_weight_shapes_all")]
    cells = ["", difference(*changes[0]), "", difference(*changes[1])]
    rows = [[*row, change] for row, change in zip(_with_shares(names, ("focal", "focal_6.1")), cells, strict=True)]
    for row in rows[2:]:
        row[4] = ""  # measured on one seed, which is among the first three
    return [*rows, [None, "", "", "", "", difference(*changes[2][:3])]]


def _with_shares(names: Sequence[str], variants: Sequence[str]) -> Rows:
    """Three metrics of the variants of studies, and the share of the classification in the gradient at the end."""
    return [
        [None, *(spread(found["rows"][n][m]) for m in METRICS[:3]), f"{100 * found['cls_share_at_end'][n]:.0f} %"]
        for found in map(results, names)
        for n in variants
    ]


def ce_weight_shapes_verdicts() -> Rows:
    """Differences of three studies, and without p of all seeds at .002."""
    found = [(results(name)["verdicts"], 4) for name in WEIGHTS]
    found.append((results("ce_weight_shapes_002_all")["verdicts"], 3))
    questions = ("ce_.18 − ce in AP", "focal − ce_.18 in AP", "focal − ce in AP")
    return [[None, *(difference(*verdicts[q][:shown]) for verdicts, shown in found)] for q in questions]


def map_of(name: str) -> Callable[[], Rows]:
    def rows() -> Rows:
        found = results("phase_diagram")
        cells = {(c["row"], c["column"]): c for c in found["cells"][name]}
        columns = found["columns"][:3]
        return [[row, *(_cell(cells.get((row, column))) for column in columns)] for row in found["rows"][1:]]

    return rows


def _cell(cell: dict[str, float] | None) -> str:
    if cell is None:
        return "not run"
    text = f"{signed(cell['difference'])} ({cell['better']:.1f}, {cell['than']:.1f})"
    if cell["p"] is None:
        return text
    text += f", p = {p_value(cell['p'])}"
    return f"**{text}**" if cell["p"] < 0.05 else text
