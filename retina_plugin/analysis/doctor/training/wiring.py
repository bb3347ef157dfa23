"""Whether the detector can be built and initialized from its checkpoint."""

import functools
from collections.abc import Callable, Iterator

from ....modeling.meta_arch import PluggableRetinaNet
from ....printable import first_line
from ....weights import CheckpointError
from ..finding import Check, Finding
from ..subject import Subject

_KEY, _BOTTOM_UP = "train.init_checkpoint", "backbone.bottom_up"


def needs(*parts: str) -> Callable[[Check], Check]:
    """Make a check yield nothing if one of these attributes of its subject is unavailable.

    The check `builds` and the checks of the data report why. A model of another class is unavailable, too.
    """

    def guard(check: Check) -> Check:
        @functools.wraps(check)
        def guarded(subject: Subject) -> Iterator[Finding]:
            if not any(_problem(subject, part) for part in parts):
                yield from check(subject)

        return guarded

    return guard


def builds(subject: Subject) -> Iterator[Finding]:
    """A model that cannot be built, or another than PluggableRetinaNet.

    Source: Detectron#93, keras-retinanet#439, detectron2#4470.
    """
    problem = _problem(subject, "model")
    if problem and "model" in vars(subject):  # built, but not this package's
        yield Finding("hint", "model-not-examined", problem, "model", "nothing, if you mean this model")
    elif problem:
        yield Finding("error", "model-not-built", problem, "model", "change the key that the message names")


@needs("model")
def usable(subject: Subject) -> Iterator[Finding]:
    """A checkpoint that cannot be downloaded or read, or has nearly no weights that fit the model."""
    try:
        _ = subject.initial_weights
    except CheckpointError as e:
        fix = f"{_KEY}=/path/to/a/checkpoint of this architecture; training does not begin before"
        yield Finding("error", "init-checkpoint", str(e), _KEY, fix)


@needs("model", "initial_weights")
def taken(subject: Subject) -> Iterator[Finding]:
    """A checkpoint that fills only part of the backbone, or was trained with other settings: detectron2#332, #2895."""
    found = subject.initial_weights
    some, all_of_it = found.by_part.get(_BOTTOM_UP, (0, 0))
    if found.path and some < all_of_it:
        message = f"{found.path} gives {_BOTTOM_UP} {some} of its {all_of_it} tensors: the others keep initial weights"
        fix = f"the {_BOTTOM_UP} of the checkpoint, or another {_KEY}"
        yield Finding("warning", "init-checkpoint-partial", message, _KEY, fix)
    (theirs, ours), _, differing = found.stated
    if theirs != ours and None not in (theirs, ours):
        message = f"{found.path} has {theirs} anchors per location and the model {ours}: class and box layer start anew"
        key = "model.anchor_generator"
        yield Finding("warning", "init-checkpoint-anchors", message, key, f"leave {key} as in the checkpoint")
    if differing:
        message = f"{found.path} was trained with other values of {', '.join(differing)}"
        fix = f"set {', '.join(f'model.{name}' for name in differing)} as in the checkpoint"
        if any("anchor_generator" in name for name in differing):
            fix = "leave model.anchor_generator as in the checkpoint, unless your objects need other sizes"
        yield Finding("warning", "init-checkpoint-differs", message, _KEY, fix)


@functools.lru_cache(maxsize=8)
def _problem(subject: Subject, part: str) -> str:
    """Why an attribute of the subject is unavailable: its error, or the class of another model; else empty."""
    try:
        value = getattr(subject, part)
    except Exception as e:  # whatever a part of the config raises
        return first_line(e)
    if part == "model" and not isinstance(value, PluggableRetinaNet):
        return f"model is a {type(value).__name__}, not a PluggableRetinaNet: its anchors and losses are not examined"
    return ""
