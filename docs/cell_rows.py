"""The rows of the tables of projects/CrossEntropyVsFocal on blood cells, from docs/results."""

from stored import results
from table_cells import METRICS, Rows, difference, differences, pair_of, spread


def leads_bccd() -> Rows:
    """Focal loss minus cross entropy on blood cells, in the studies where each loss has its own start."""
    mean, low, high, p = results("ce_weight")["verdicts"]["ce_.11 − focal in AP"]
    plain, matched, tuned = (
        results(name)["verdicts"]["focal − ce in AP"] for name in ("confirm_bccd", "confirm_matched", "tuned_bccd")
    )
    others = results("why_bccd")["verdicts"]["alpha_.25-gamma_2 − alpha_.5-gamma_0 in AP"]
    found = (plain, matched, others, (-mean, -high, -low, p), tuned)
    return [[None, None, difference(*one)] for one in found]


def start_bccd() -> Rows:
    """AP on blood cells by start and loss."""
    found = results("start_bccd")["rows"]
    starts = ("start_.01", "own_start")
    return [[None, *(spread(found[f"{start}-{loss}"]["AP"]) for loss in ("ce", "focal"))] for start in starts]


def effects_bccd() -> Rows:
    """Effects of start and loss on blood cells, and of both together."""
    found = results("start_bccd")["effects"].values()
    return differences(found)


def rates_bccd() -> Rows:
    """AP on blood cells by learning rate: of all seeds at the lower rates, of seed 0 at the higher ones."""
    low, high = results("learning_rate_bccd"), results("learning_rate_bccd_high")["rows"]
    decided = [[None, *pair_of(low, f"ce_lr{rate}", f"focal_lr{rate}")] for rate in (".0005", ".001")]
    return decided + [
        [None, *(spread(high[f"{loss}_lr{rate}"]["AP"]) for loss in ("ce", "focal")), None] for rate in (".002", ".004")
    ]


def confirmed_bccd() -> Rows:
    """AP on blood cells, new seeds: both losses, cross entropy matched, focal loss in bfloat16."""
    plain, matched = results("confirm_bccd")["rows"], results("confirm_matched")["rows"]
    rows = plain["ce"], matched["ce"], plain["focal"], plain["focal_bfloat16"]
    return [[None, *(spread(row[metric]) for metric in METRICS)] for row in rows]


def confirmed_bccd_verdicts() -> Rows:
    (loss, precision), (matched,) = (results(f"confirm_{x}")["verdicts"].values() for x in ("bccd", "matched"))
    found = loss, matched, precision
    return differences(found)


def alpha_and_gamma_bccd() -> Rows:
    """AP on blood cells by alpha and gamma, with start, scale and clipping made alike."""
    found = results("why_bccd")["rows"]
    return [
        [None, *(spread(found[f"alpha_{alpha}-gamma_{gamma}"]["AP"]) for gamma in (0, 2))] for alpha in (".5", ".25")
    ]


def alpha_and_gamma_bccd_verdicts() -> Rows:
    """Focal loss and cross entropy, then the effects of gamma, of alpha and of both together."""
    found = results("why_bccd")
    names = [next(name for name in found["effects"] if name.startswith(c)) for c in ("focus: ", "alpha: ")]
    pair = next(name for name in found["effects"] if "×" in name)
    rows = [*found["verdicts"].values(), *(found["effects"][name] for name in (*names, pair))]
    return differences(rows)


def box_share() -> Rows:
    """AP and share of classification at the end, by weight of the classification loss and gamma."""
    found = results("box_share")
    rows, shares = found["rows"], found["cls_share_at_end"]
    names = [[f"gamma_{gamma}-weight_{weight}" for gamma in (0, 2)] for weight in (".54", ".22")]
    return [[None, *(f"{spread(rows[n]['AP'])} ({100 * shares[n]:.0f} %)" for n in pair)] for pair in names]


def box_share_verdicts() -> Rows:
    """Gamma at about the same share, then the effects of gamma, of the weight and of both together."""
    found = results("box_share")
    return differences([*found["verdicts"].values(), *found["effects"].values()])


def ce_weight() -> Rows:
    """Cross entropy with two weights, and focal loss: AP, and the share of classification at the end."""
    found = results("ce_weight")
    rows, shares = found["rows"], found["cls_share_at_end"]
    names = ("ce_.27", "ce_.11", "focal")
    return [[None, *(spread(rows[n][m]) for m in METRICS), f"{100 * shares[n]:.0f} %"] for n in names]


def ce_weight_verdicts() -> Rows:
    return differences(results("ce_weight")["verdicts"].values())


def tuning_bccd() -> Rows:
    """AP on held-out blood cells of five variants, each with the same learning rates and weights."""
    found = results("tuning_bccd")
    settings = {tuple(tuple(run["overrides"]) for run in own["runs"]) for own in found.values()}
    assert len(settings) == 1, "the columns of this table need the same trials of all losses"
    rows = []
    for own in found.values():
        cells = [f"{run['ap']:.1f}" for run in own["runs"]]
        best = max(range(len(cells)), key=lambda trial: own["runs"][trial]["ap"])
        rows.append([None, *(f"**{cell}**" if trial == best else cell for trial, cell in enumerate(cells))])
    return rows


def tuned_bccd() -> Rows:
    """AP on blood cells of five variants, each with its own learning rate and weight, and the share at the end."""
    found = results("tuned_bccd")
    rows, shares, tuned = found["rows"], found["cls_share_at_end"], results("tuning_bccd")
    table = []
    for name, own in tuned.items():
        best = max(own["runs"], key=lambda run: run["ap"])
        values = " and ".join(f"{float(value.split('=')[1]):.2g}".lstrip("0") for value in best["overrides"])
        table.append([None, values, *(spread(rows[name][m]) for m in METRICS), f"{100 * shares[name]:.0f} %"])
    return table


def tuned_bccd_verdicts() -> Rows:
    """Focal loss minus every other variant."""
    return differences(results("tuned_bccd")["verdicts"].values())
