"""The rows of the tables of projects/CrossEntropyVsFocal on synthetic shapes, from docs/results."""

from collections.abc import Callable

from stored import results
from table_cells import METRICS, Rows, difference, differences, p_value, pair_of, signed, spread


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
    """`starts_and_rates`, and blood cells with new seeds: as the config has it, and tuned."""
    cells = (results(name) for name in ("confirm_bccd", "tuned_bccd"))
    return [*starts_and_rates(), *([None, *pair_of(found, "ce", "focal")] for found in cells)]


def cells_of(name: str, iterations: int, *shares: str) -> Callable[[], Rows]:
    """AP of both losses from their own starts in cells of the map, by share of foreground; intervals of each cell."""

    def rows() -> Rows:
        found = [results(name)[f"{share}/{iterations}"] for share in shares]
        return [[None, *pair_of(cell, "ce", "focal", with_p=False), None] for cell in found]

    return rows


def longer() -> Rows:
    """Cells of the map after 1080 iterations, and the first of them after 3240."""
    last = pair_of(results("demo_3240"), "ce", "focal", with_p=False)
    return [*cells_of("map_long", 1080, "1e-3", "4e-3", "1e-2")(), [None, *last, None]]


def ce_weight_shapes() -> Rows:
    """Cross entropy with two weights, and focal loss, after 1080 iterations; the share of classification at the end."""
    found = results("ce_weight_shapes")
    rows, shares = found["rows"], found["cls_share_at_end"]
    return [
        [None, *(spread(rows[n][m]) for m in METRICS[:3]), f"{100 * shares[n]:.0f} %"]
        for n in ("ce", "ce_.18", "focal")
    ]


def ce_weight_shapes_verdicts() -> Rows:
    return differences(results("ce_weight_shapes")["verdicts"].values())


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
