"""The numbers of an examination by name, for imbalance.json and the tables of the page."""

from typing import Any

import numpy as np

from ....evaluation.box_metrics import SIZES
from ..advisor import ALPHAS, GAMMAS, Advice, implied_priors
from ..elements import FOREGROUND
from ..examine import Examination
from ..shares import Shares

_FRACTIONS = (*np.round(np.arange(0, 1, 0.05), 2).tolist(), 0.99, 0.999, 0.9999, 1.0)
_QUANTITIES = ("loss", "gradient")


def numbers_of(examination: Examination, advice: Advice) -> dict[str, Any]:
    """Everything that the page says in numbers; shares are fractions, or NaN if the whole is 0."""
    xray = examination.xray
    foreground, background, ignored = map(int, xray.anchors)
    return {
        "run": str(examination.run_dir),
        "own_loss": examination.own_loss,
        "images": xray.num_images,
        "element": "anchor" if xray.is_softmax else "(anchor, class) logit",
        "anchors": {"foreground": foreground, "background": background, "ignored": ignored},
        "foreground_share": xray.foreground_share,
        "easiest_90_percent_of_background": dict(examination.easiest),
        "losses": {name: _of_loss(examination, shares) for name, shares in examination.shares.items()},
        "classes": _classes(examination),
        "objects_by_size": dict(zip(SIZES, xray.objects.sum(0).tolist(), strict=True)),
        "prior": {"configured": examination.prior, "implied": implied_priors(xray, examination.losses)},
        "calibration": examination.calibration,
        "advisor": _advice(advice),
    }


def _of_loss(examination: Examination, shares: Shares) -> dict[str, Any]:
    levels, classes = shares.of_levels.tolist(), shares.of_classes.tolist()
    return {
        "background": _by_quantity(shares.of_background.tolist()),
        "background_at_foreground_anchors": _by_quantity(shares.of_other_classes.tolist()),
        "levels": {
            name: {q: {"foreground": levels[i][0][n], "background": levels[i][1][n]} for i, q in enumerate(_QUANTITIES)}
            for n, name in enumerate(examination.levels)
        },
        "foreground_by_size": {
            name: _by_quantity([x[n] for x in shares.of_sizes.tolist()]) for n, name in enumerate(SIZES)
        },
        "foreground_by_class": [_by_quantity([x[n] for x in classes]) for n in range(examination.xray.num_classes)],
        "curve": {"fraction": list(_FRACTIONS)}
        | {
            kind: [curve.held_by_easiest(fraction) for fraction in _FRACTIONS]
            for kind, curve in (("foreground", shares.foreground), ("background", shares.background))
        },
    }


def _by_quantity(values: list[float]) -> dict[str, float]:
    return dict(zip(_QUANTITIES, values, strict=True))


def _classes(examination: Examination) -> list[dict[str, Any]]:
    """By class: its name, objects, and foreground anchors."""
    objects = examination.xray.objects.sum(1).tolist()
    anchors = examination.xray.by_class.count[FOREGROUND].sum(-1).tolist()
    return [
        {"name": name, "objects": objects[i], "foreground_anchors": anchors[i]}
        for i, name in enumerate(examination.class_names)
    ]


def _advice(advice: Advice) -> dict[str, Any]:
    return {
        "target_background_share_of_gradient": advice.target,
        "gamma": list(GAMMAS),
        "alpha": list(ALPHAS),
        "background_share_of_loss": advice.shares[0].tolist(),
        "background_share_of_gradient": advice.shares[1].tolist(),
        "alpha_for_target": advice.alphas.tolist(),
    }
