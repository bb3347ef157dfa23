"""Names from files, as drawings show them."""

from ..files import shown

_LONGEST = 40  # characters


def label_text(name: str) -> str:
    """A name as a short label for matplotlib, in which a dollar sign begins no formula."""
    return shown(name, _LONGEST).replace("$", r"\$")
