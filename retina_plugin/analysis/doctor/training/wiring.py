"""Whether the detector can be built, and its anchors lie where its features are."""

import functools
from collections.abc import Callable, Iterator

from ....files import first_line
from ....modeling.meta_arch import PluggableRetinaNet
from ..finding import Check, Finding
from ..subject import Subject


def needs(*parts: str) -> Callable[[Check], Check]:
    """Make a check yield nothing if one of these attributes of its subject cannot be had.

    The check `builds`, and those of the data, say why.
    """

    def guard(check: Check) -> Check:
        @functools.wraps(check)
        def guarded(subject: Subject) -> Iterator[Finding]:
            if not any(_problem(subject, part) for part in parts):
                yield from check(subject)

        return guarded

    return guard


def builds(subject: Subject) -> Iterator[Finding]:
    """Parts that do not fit together: Detectron#93, keras-retinanet#439, detectron2#4470."""
    if problem := _problem(subject, "model"):
        yield Finding("error", "model-not-built", problem, "model", "change the key that the message names")


@functools.lru_cache(maxsize=8)
def _problem(subject: Subject, part: str) -> str:
    """The error that an attribute of the subject raises; empty if there is none."""
    try:
        value = getattr(subject, part)
    except Exception as e:  # whatever a part of the config raises
        return first_line(e)
    if part == "model" and not isinstance(value, PluggableRetinaNet):
        return f"model is a {type(value).__name__}, not a PluggableRetinaNet: its anchors and losses are not examined"
    return ""
