"""Fill in the templates of a report."""

import math
import re
from collections.abc import Callable
from typing import Any

import jinja2

from ...files import shown
from ..spec.metrics import Metric
from ..statistics.estimate import Estimate
from ..statistics.wording import interval, number, signed


def render(template: str, content: dict[str, Any]) -> str:
    """Fill in a template of this package. Values are escaped, also characters that do not print."""
    html = template.endswith(".html.j2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("retina_plugin.study.report"),
        autoescape=html,
        finalize=_printable if html else _escape_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.tests["nan"] = math.isnan
    environment.filters |= {
        "number": _dash_for_nan(number),
        "decimals": _dash_for_nan("{:.{}f}".format),
        "signed": _dash_for_nan(signed),
        "mean_and_spread": _mean_and_spread,
        "interval": _interval,
        "p_value": _p_value,
        "logits": _dash_for_nan("{:+.1f}".format),
        "share": _dash_for_nan("{:.0%}".format),
        "ratio": _dash_for_nan("{:.3g}".format),
    }
    return environment.get_template(template).render(content)


def _printable(value: Any) -> Any:
    return shown(value, 10 * len(value)) if isinstance(value, str) and not value.isprintable() else value


def _escape_markdown(value: Any) -> Any:
    """Without what would begin a column of a table or a tag of HTML."""
    if not isinstance(value, str):
        return value
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", _printable(value).replace("|", r"\|"))


def _dash_for_nan(form: Callable[..., str]) -> Callable[..., str]:
    def write(value: float, *arguments: Any) -> str:
        return "–" if math.isnan(value) else form(value, *arguments)

    return write


def _mean_and_spread(value: Estimate, metric: Metric) -> str:
    mean = _dash_for_nan(number)(value.mean, metric)
    return mean if math.isnan(value.spread) else f"{mean} ± {number(value.spread, metric)}"


def _interval(value: Estimate, metric: Metric, sign: bool = False) -> str:
    return "" if math.isnan(value.low) else interval(value, metric, signed if sign else number)


def _p_value(p: float) -> str:
    if math.isnan(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def without_nan(value: Any) -> Any:
    """Nested values with None in place of NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
