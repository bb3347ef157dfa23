"""Labels in drawings, and progress bars of commands."""

import contextlib
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from ..printable import shown

_LONGEST = 40  # characters
_LOG_PERIOD = 60.0  # seconds
Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, unit: str, total: int | None = None) -> Iterable[Item]:
    """Iterate over the items with a line on standard error: how many are done, how fast, and the time left.

    The line is updated up to ten times a second on a terminal, otherwise once a minute.
    """
    period = 0.1 if sys.stderr.isatty() else _LOG_PERIOD
    return tqdm(items, what, total, unit=unit, mininterval=period, maxinterval=max(period, 10), dynamic_ncols=True)


def label_text(name: str) -> str:
    """A name as a short label for matplotlib, with dollar signs escaped so that they begin no formula."""
    return shown(name, _LONGEST).replace("$", r"\$")


@contextlib.contextmanager
def unknown_characters() -> Iterator[None]:
    """Within it, matplotlib draws characters that its font lacks, such as emoji, as boxes without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
