"""The error for configs, and suggestions for unknown keys."""

import difflib
from collections.abc import Iterable


class ConfigError(ValueError):
    """A config or an override that cannot be used; the message names the key or the file."""


def nearest(key: str, allowed: Iterable[str]) -> str:
    """The end of a message about an unknown key: the most similar allowed one, or all of them."""
    names = sorted(map(str, allowed))
    near = difflib.get_close_matches(str(key), names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
