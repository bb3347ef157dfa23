"""The rows of the tables of the documents, from docs/results.

A cell of None stays as it stands: it holds words or links, or its source is not in docs/results.
"""

from collections.abc import Callable, Iterable
from typing import Any

from stored import results

from retina_plugin import get_config

_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
Rows = list[list[str | None]]


def _spread(value: list[float | None]) -> str:
    mean, spread = value
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−") if abs(value) >= 0.05 else "0.0"


def _p(p: float) -> str:
    """Two digits from .01 to 1, as in .10, and two significant ones below."""
    if p == 1:
        return "1"
    return (f"{p:.2f}" if p > 0.0995 else f"{p:.2g}").removeprefix("0")


def _differences(found: Iterable[list[float]]) -> Rows:
    """Mean, interval and p of differences, each (mean, low, high, p)."""
    return [[None, _signed(m), f"{_signed(low)} to {_signed(high)}", _p(p)] for m, low, high, p in found]


def named_losses() -> Rows:
    """The losses of configs/common/losses.py."""
    losses = get_config("common/losses.py").losses
    settings = {name: {k: v for k, v in loss.items() if k != "_target_"} for name, loss in losses.items()}
    return [
        [name, f"`{losses[name]._target_.__name__}`", ", ".join(f"{k}={v}" for k, v in own.items()) or "–", None]
        for name, own in settings.items()
    ]


def demo() -> Rows:
    found = results("demo")
    names = ("ce_01", "focal_01", "ce", "focal")
    means = [[_spread(found["rows"][n][m]) for m in _METRICS[:5]] for n in names]
    start = [("own, " if not n.endswith("01") else "") + f"{found['start'][n]:.2g}".removeprefix("0") for n in names]
    above = [_spread(found["above"]["0.05"][n]) for n in names]
    return [[n, s, *m, a] for n, s, m, a in zip(names, start, means, above, strict=True)]


def scale_means() -> Rows:
    found, rows = results("why_scale")["rows"], []
    for start, shown in (("start_.01", ".01"), ("own_start", "own")):
        for scale in ("own", "matched"):
            cells = [_spread(found[f"{start}-{gamma}-{scale}_scale"]["AP"]) for gamma in ("gamma_0", "gamma_2")]
            rows.append([shown, scale, *cells])
    return rows


def scale_effects() -> Rows:
    found = results("why_scale")["effects"]
    pair = next(name for name in found if "×" in name and "start" in name and "focus" in name)
    names = [next(name for name in found if name.startswith(c)) for c in ("start: ", "focus: ", "scale: ")] + [pair]
    return _differences(map(found.get, names))


def starts_and_rates() -> Rows:
    """AP of six seeds of both losses: by learning rate from their own starts, then tuned."""
    rates, tuned = results("learning_rate"), results("tuned")
    pairs = [(rates, f"ce_lr{rate}", f"focal_lr{rate}") for rate in (".001", ".002", ".004")] + [(tuned, "ce", "focal")]
    return [[None, *_pair(*pair)] for pair in pairs]


def starts_rates_and_cells() -> Rows:
    """`starts_and_rates`, and the new seeds on blood cells."""
    return [*starts_and_rates(), [None, *_pair(results("confirm_bccd"), "ce", "focal")]]


def _pair(found: dict[str, Any], ce: str, focal: str) -> list[str]:
    """AP of cross entropy, of focal loss, and the difference with its interval and p."""
    mean, low, high, p = found["verdicts"][f"{focal} − {ce} in AP"]
    difference = f"{_signed(mean)} ({_signed(low)} to {_signed(high)}), p = {_p(p)}"
    return [_spread(found["rows"][ce]["AP"]), _spread(found["rows"][focal]["AP"]), difference]


def start_bccd() -> Rows:
    """AP on blood cells by start and loss."""
    found = results("start_bccd")["rows"]
    starts = ("start_.01", "own_start")
    return [[None, *(_spread(found[f"{start}-{loss}"]["AP"]) for loss in ("ce", "focal"))] for start in starts]


def effects_bccd() -> Rows:
    """Effects of start and loss on blood cells, and of both together."""
    found = results("start_bccd")["effects"].values()
    return _differences(found)


def rates_bccd() -> Rows:
    """AP on blood cells by learning rate: of all seeds at the lower rates, of seed 0 at the higher ones."""
    low, high = results("learning_rate_bccd"), results("learning_rate_bccd_high")["rows"]
    decided = [[None, *_pair(low, f"ce_lr{rate}", f"focal_lr{rate}")] for rate in (".0005", ".001")]
    return decided + [
        [None, *(_spread(high[f"{loss}_lr{rate}"]["AP"]) for loss in ("ce", "focal")), None]
        for rate in (".002", ".004")
    ]


def confirmed_bccd() -> Rows:
    """AP on blood cells, new seeds: both losses, cross entropy matched, focal loss in bfloat16."""
    plain, matched = results("confirm_bccd")["rows"], results("confirm_matched")["rows"]
    rows = plain["ce"], matched["ce"], plain["focal"], plain["focal_bfloat16"]
    return [[None, *(_spread(row[metric]) for metric in _METRICS)] for row in rows]


def confirmed_bccd_verdicts() -> Rows:
    (loss, precision), (matched,) = (results(f"confirm_{x}")["verdicts"].values() for x in ("bccd", "matched"))
    found = loss, matched, precision
    return _differences(found)


def alpha_and_gamma_bccd() -> Rows:
    """AP on blood cells by alpha and gamma, with start, scale and clipping made alike."""
    found = results("why_bccd")["rows"]
    return [
        [None, *(_spread(found[f"alpha_{alpha}-gamma_{gamma}"]["AP"]) for gamma in (0, 2))] for alpha in (".5", ".25")
    ]


def alpha_and_gamma_bccd_verdicts() -> Rows:
    """Focal loss and cross entropy, then the effects of gamma, of alpha and of both together."""
    found = results("why_bccd")
    names = [next(name for name in found["effects"] if name.startswith(c)) for c in ("focus: ", "alpha: ")]
    pair = next(name for name in found["effects"] if "×" in name)
    rows = [*found["verdicts"].values(), *(found["effects"][name] for name in (*names, pair))]
    return _differences(rows)


def anchors() -> Rows:
    found = results("anchors")["rows"]
    return [[None, None, None, _spread(found[n]["AP"])] for n in ("default", "searched")] + [[None] * 4]


def anchors_bccd() -> Rows:
    """Two variants, their difference, and its verdicts where the study asks."""
    found = results("anchors_bccd")
    metrics = ("AP", "AP50", "AP75", "AP-RBC", "AP-WBC", "AP-Platelets")
    return [[None, *(_spread(found["rows"][name][m]) for m in metrics)] for name in ("default", "searched")]


def anchors_bccd_verdicts() -> Rows:
    found = results("anchors_bccd")["verdicts"]
    asked = [found[f"searched − default in {metric}"] for metric in ("AP", "AP-Platelets")]
    return _differences(asked)


def zoo() -> Rows:
    found = results("zoo")
    return [[None, None, *_of_run(found[n], _METRICS), None, None] for n in ("run_bccd", "run_quick")]


def blood_cells() -> Rows:
    return [_of_run(results("zoo")["run_bccd"], (*_METRICS, "AP-RBC", "AP-WBC", "AP-Platelets"))]


def box_losses() -> Rows:
    found = results("box_losses")["rows"]
    return [[None, *(_spread(found[n][m]) for m in _METRICS[:3]), None] for n in ("l1", "smooth_l1", "giou")]


def _of_run(found: dict[str, float | None], metrics: tuple[str, ...]) -> list[str]:
    values = [found.get(f"bbox/{m}") for m in metrics]
    return ["–" if x is None or x != x else f"{x:.1f}" for x in values]


def errors() -> Rows:
    found = results("errors_bccd")
    kinds = [found[kind] for kind in ("Bkg", "Loc", "Dupe", "Miss", "Cls", "Both")]
    return [[None, f"{x['value']:.2f}", f"{x['low']:.2f} to {x['high']:.2f}"] for x in kinds]


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
    text = f"{_signed(cell['difference'])} ({cell['better']:.1f}, {cell['than']:.1f})"
    if cell["p"] is None:
        return text
    text += f", p = {_p(cell['p'])}"
    return f"**{text}**" if cell["p"] < 0.05 else text
