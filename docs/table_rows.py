"""The rows of the other tables of the documents, from docs/results."""

from stored import results
from table_cells import METRICS, Rows, difference, differences, of_run, spread

from retina_plugin import get_config


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
    means = [[spread(found["rows"][n][m]) for m in METRICS[:5]] for n in names]
    start = [("own, " if not n.endswith("01") else "") + f"{found['start'][n]:.2g}".removeprefix("0") for n in names]
    above = [spread(found["above"]["0.05"][n]) for n in names]
    return [[n, s, *m, a] for n, s, m, a in zip(names, start, means, above, strict=True)]


def label_errors() -> Rows:
    """Detectors by their annotations: clean, faulty and repaired; the difference from faulty ones where it is asked."""
    found = results("label_errors")
    names = ("clean", "faulty", "unseen", "reviewed")
    asked = {name: found["verdicts"].get(f"{name} − faulty in AP") for name in names}
    gains = {name: difference(*verdict) if verdict else "" for name, verdict in asked.items()}
    return [[None, *(spread(found["rows"][n][m]) for m in METRICS[:3]), gains[n]] for n in names]


def anchors() -> Rows:
    found = results("anchors")["rows"]
    return [[None, None, None, spread(found[n]["AP"])] for n in ("default", "searched", "searched_p2")]


def anchor_levels() -> Rows:
    """Levels and sizes of anchors, each changed alone; as the config has them, and matched."""
    found = [results(name)["rows"] for name in ("anchor_levels", "anchor_levels_matched")]
    names = ("p3_32px", "p3_9px", "p2_32px", "p2_9px")
    return [[None, None, None, *(spread(rows[n]["AP"]) for rows in found)] for n in names]


def anchor_levels_verdicts() -> Rows:
    found = [results(name)["verdicts"].values() for name in ("anchor_levels", "anchor_levels_matched")]
    return [[None, *(difference(*verdict) for verdict in pair)] for pair in zip(*found, strict=True)]


def anchor_features() -> Rows:
    """Features and locations of P2 and P3 in all combinations; as the config has them, and matched."""
    found = [results(name)["rows"] for name in ("anchor_features", "anchor_features_matched")]
    names = [f"{level}_features-every_{step}px" for level in ("p3", "p2") for step in (8, 4)]
    return [[None, None, *(spread(rows[n]["AP"]) for rows in found)] for n in names]


def anchor_features_effects() -> Rows:
    found = [results(name)["effects"].values() for name in ("anchor_features", "anchor_features_matched")]
    return [[None, *(difference(*effect) for effect in pair)] for pair in zip(*found, strict=True)]


def anchors_bccd() -> Rows:
    """Two variants, their difference, and its verdicts where the study asks."""
    found = results("anchors_bccd")
    metrics = ("AP", "AP50", "AP75", "AP-RBC", "AP-WBC", "AP-Platelets")
    return [[None, *(spread(found["rows"][name][m]) for m in metrics)] for name in ("default", "searched")]


def anchors_bccd_verdicts() -> Rows:
    found = results("anchors_bccd")["verdicts"]
    asked = [found[f"searched − default in {metric}"] for metric in ("AP", "AP-Platelets")]
    return differences(asked)


def zoo() -> Rows:
    found = results("zoo")
    return [[None, None, *of_run(found[n], METRICS), None, None] for n in ("run_bccd", "run_quick")]


def blood_cells() -> Rows:
    return [of_run(results("zoo")["run_bccd"], (*METRICS, "AP-RBC", "AP-WBC", "AP-Platelets"))]


def box_losses() -> Rows:
    found = results("box_losses")["rows"]
    return [[None, *(spread(found[n][m]) for m in METRICS[:3]), None] for n in ("l1", "smooth_l1", "giou")]


def errors() -> Rows:
    found = results("errors_bccd")
    kinds = [found[kind] for kind in ("Bkg", "Loc", "Dupe", "Miss", "Cls", "Both")]
    return [[None, f"{x['value']:.2f}", f"{x['low']:.2f} to {x['high']:.2f}"] for x in kinds]
