"""Templates of a report, and how its numbers are written."""

from __future__ import annotations

import math
from typing import Any

import jinja2

from ..statistics.estimate import Estimate
from ..statistics.verdict import signed

__all__ = ["render", "without_nan"]


def render(template: str, content: dict[str, Any]) -> str:
    """A template of this package filled in; HTML is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("retina_plugin.study.report"),
        autoescape=template.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.tests["unknown"] = math.isnan
    environment.filters |= {
        "number": _number,
        "signed": lambda value: "–" if math.isnan(value) else signed(value),
        "level": _level,
        "interval": _interval,
        "p_value": _p_value,
        "ratio": lambda value: "–" if math.isnan(value) else f"{value:.3g}",
    }
    return environment.get_template(template).render(content)


def _number(value: float, digits: int = 1) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _level(level: Estimate) -> str:
    """Mean, and spread over seeds if there are several."""
    return _number(level.mean) + ("" if math.isnan(level.spread) else f" ± {level.spread:.1f}")


def _interval(value: Estimate, sign: bool = False) -> str:
    if math.isnan(value.low):
        return ""
    form = signed if sign else _number
    return f"{form(value.low)} to {form(value.high)}"


def _p_value(p: float) -> str:
    if math.isnan(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def without_nan(value: Any) -> Any:
    """The same for json, where NaN is null."""
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
