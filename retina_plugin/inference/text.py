"""Names from files, as drawings show them, and the progress of a command."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from ..printable import shown

_LONGEST = 40  # characters
_LOG_PERIOD = 60.0  # seconds
Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, unit: str, total: int | None = None) -> Iterable[Item]:
    """The items, with a line on standard error of how many are done, how fast, and the time left.

    A terminal shows it all the time, a log once a minute.
    """
    period = 0.1 if sys.stderr.isatty() else _LOG_PERIOD
    return tqdm(items, what, total, unit=unit, mininterval=period, maxinterval=max(period, 10), dynamic_ncols=True)


def label_text(name: str) -> str:
    """A name as a short label for matplotlib, in which a dollar sign begins no formula."""
    return shown(name, _LONGEST).replace("$", r"\$")
