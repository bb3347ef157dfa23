"""Fill in the templates of a report."""

import math
from typing import Any

from ...pages.render import dash_for_nan, template_environment
from ..spec.metrics import Metric
from ..statistics.estimate import Estimate
from ..statistics.wording import interval, number, p_value, signed


def render(template: str, content: dict[str, Any]) -> str:
    """Fill in a template of this package, see `template_environment`."""
    environment = template_environment("retina_plugin.study.report", template)
    environment.tests["nan"] = math.isnan
    environment.filters |= {
        "number": dash_for_nan(number),
        "decimals": dash_for_nan("{:.{}f}".format),
        "signed": dash_for_nan(signed),
        "mean_and_spread": mean_and_spread,
        "interval": _interval,
        "p_value": _p_value,
        "logits": dash_for_nan("{:+.1f}".format),
        "share": dash_for_nan("{:.0%}".format),
        "ratio": dash_for_nan("{:.3g}".format),
    }
    return environment.get_template(template).render(content)


def mean_and_spread(value: Estimate, metric: Metric) -> str:
    """Such as "34.1 ± 0.6", or "–" for NaN."""
    mean = dash_for_nan(number)(value.mean, metric)
    return mean if math.isnan(value.spread) else f"{mean} ± {number(value.spread, metric)}"


def _interval(value: Estimate, metric: Metric, sign: bool = False) -> str:
    return "" if math.isnan(value.low) else interval(value, metric, signed if sign else number)


def _p_value(p: float) -> str:
    if math.isnan(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p_value(p)}"
