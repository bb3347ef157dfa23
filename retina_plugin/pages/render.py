"""Fill in the templates of pages."""

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import jinja2

from ..printable import shown


@functools.cache  # with its compiled templates
def template_environment(package: str, template: str) -> jinja2.Environment:
    """The jinja2 environment for a template of a package, which can also use "page.html.j2" and "style.css.j2".

    Values are escaped, for HTML if the name ends with ".html.j2", otherwise for Markdown. So are characters that do not
    print.
    """
    html = template.endswith(".html.j2")
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("retina_plugin.pages")]),
        autoescape=html,
        finalize=_printable if html else _escape_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _printable(value: Any) -> Any:
    return shown(value, 10 * len(value)) if isinstance(value, str) and not value.isprintable() else value


def _escape_markdown(value: Any) -> Any:
    """Escape characters that would begin a table column or an HTML tag."""
    if not isinstance(value, str):
        return value
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", _printable(value).replace("|", r"\|"))


def dash_for_nan(form: Callable[..., str]) -> Callable[..., str]:
    """A filter that writes a number with `form`, and NaN as a dash."""

    def write(value: float, *arguments: Any) -> str:
        return "–" if math.isnan(value) else form(value, *arguments)

    return write


def without_nan(value: Any) -> Any:
    """Nested values with None in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
