"""Names of variants, and of levels of factors and grids; a variant's name is also that of a folder."""

import re
from collections.abc import Iterable


def unusable_names(names: Iterable[object], others: str = ".-") -> list[object]:
    """Those that are not a letter or digit followed by letters, digits, _ and characters of `others`."""
    pattern = re.compile(rf"[^\W_][\w{re.escape(others)}]*")
    return [name for name in names if type(name) is not str or not pattern.fullmatch(name)]
