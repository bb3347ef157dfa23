"""State of hooks in checkpoints, by class name as Detectron2's trainer stores it."""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from detectron2.engine import HookBase

from ...config import ConfigError
from ...printable import first_line
from ...weights import read_content
from ..reliability.checkpoint_state import inconsistencies

logger = logging.getLogger(__name__)
_NAMES_BEFORE = {"MetricsMemory": "MetricsState"}  # current class name by the name in older checkpoints


def hook_states(hooks: Iterable[HookBase]) -> dict[str, dict[str, Any]]:
    """The state of every hook that has one, by class name.

    Detectron2's trainer saves only the first hook of a class; here later ones are named Class#2, Class#3 and so on.
    """
    return {name: state for name, hook in _named(hooks) if (state := hook.state_dict())}


def check_hook_states(hooks: Iterable[HookBase]) -> None:
    """Save every state and read it as from a checkpoint.

    Raises:
        ConfigError: for a state that cannot be read again, which would make checkpoints useless.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state")
        for name, state in hook_states(hooks).items():
            trainer = {"iteration": 0, "optimizer": {}, "hooks": {name: state}}
            try:
                if wrong := next(inconsistencies({"trainer": trainer}), ""):
                    raise ValueError(wrong)
                torch.save(state, path)
                read_content(path)
            except Exception as e:  # pickle raises any error
                reason = first_line(e).replace(f"checkpoint {path} ", "it ")
                raise ConfigError(
                    f"the state of hook {name} cannot be read again from a checkpoint ({reason}): let its state_dict "
                    "return a dict of numbers, strings, lists, tensors or arrays"
                ) from e


def load_hook_states(hooks: Iterable[HookBase], states: Mapping[str, dict[str, Any]]) -> None:
    """Give hooks the states that `hook_states`, or Detectron2's trainer, saved."""
    by_name = dict(_named(hooks))
    for name, state in states.items():
        if (hook := by_name.get(_NAMES_BEFORE.get(name, name))) is None:
            logger.warning("This run has no hook %s; its state in the checkpoint is ignored", name)
        else:
            hook.load_state_dict(state)


def _named(hooks: Iterable[HookBase]) -> Iterator[tuple[str, HookBase]]:
    counts: Counter[str] = Counter()
    for hook in hooks:
        name = type(hook).__qualname__
        counts[name] += 1
        yield name if counts[name] == 1 else f"{name}#{counts[name]}", hook
