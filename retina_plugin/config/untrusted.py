"""Limits for config files from others: they may name parts of detectors and refer to their own values."""

import contextlib
import inspect
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from detectron2.utils.registry import locate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue

from ..printable import shown
from .errors import ConfigError
from .moved import current_name
from .walk import leaves

EVERYTHING = ("*",)
"""As `trust`: the file may call anything that it names, like your own program."""

# modules whose classes and functions build detectors, data and schedules, and do nothing else
_PARTS = (
    *(f"retina_plugin.{part}" for part in ("modeling", "data", "evaluation", "engine.hooks")),
    *(f"detectron2.{part}" for part in ("modeling", "layers", "structures", "evaluation", "solver", "engine.hooks")),
    *(f"detectron2.data.{part}" for part in ("build", "common", "dataset_mapper", "transforms", "samplers")),
    "fvcore.common.param_scheduler",
    "fvcore.nn",
    *(f"torch.{part}" for part in ("nn", "optim")),
    *(f"torchvision.{part}" for part in ("models", "ops", "transforms")),
)
_KEY = r"[\w.\-\[\]]+"
_REFERENCE = re.compile(rf"[^$]*\$\{{({_KEY}|oc\.select:{_KEY}(,[^$:{{}}]*)?)\}}[^$]*")
_MOST_VALUES = 5000  # a usual config has 300
_UNPICKLED = "proposal_file"  # Detectron2 unpickles the files in keys that contain this, such as proposal_files
_NOT_PARTS = re.compile(r"\._|load_proposals")  # private names, and the function that unpickles proposals


def locate_admitted(name: Any, trust: Sequence[str]) -> Any:
    """The class or function with a dotted name from a config file; its module is imported.

    Only modules of detector parts and those in `trust` are admitted; with `EVERYTHING` all are.

    Raises:
        ConfigError: if the object is in another module, or is neither a class nor a function.
    """
    name = current_name(name) if isinstance(name, str) else name
    admitted = (*_PARTS, *trust)
    if isinstance(name, str) and ("*" in trust or _may_be_imported(name, trust)):
        found = locate(name)
        if "*" in trust or _is_part(found, admitted):
            return found
    raise ConfigError(
        f"the config names {shown(name)!r}, which is not a part of a detector, of its data or of its training, and "
        "was not loaded: if you trust this file, give --trust-module with the module, or --trust"
    )


def check_values(cfg: DictConfig) -> None:
    """Raise ConfigError for a value that could call something or grow without limit when it is used or resolved."""
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=False), into_lists=True):
        if _UNPICKLED in key.lower() and value:
            raise ConfigError(f"{shown(key)} names a file of proposals, which can run code: RetinaNet reads none")
        text = isinstance(value, str) and "$" in value
        if text and (key.endswith("_target_") or not _REFERENCE.fullmatch(value)):
            raise ConfigError(f"{shown(key)} is {shown(value)!r}: only one reference to another key is allowed")
    for count, _ in enumerate(_resolved(cfg)):
        if count > _MOST_VALUES:
            raise ConfigError(f"references among its keys give more than {_MOST_VALUES} values")


def _resolved(node: Any) -> Iterator[Any]:
    """Yield once for every value, with references followed."""
    keys = range(len(node)) if OmegaConf.is_list(node) else list(node) if OmegaConf.is_dict(node) else ()
    for key in keys:
        yield key
        with contextlib.suppress(MissingMandatoryValue, InterpolationToMissingValueError):  # reported when it is used
            yield from _resolved(node[key])


def _may_be_imported(name: str, trust: Sequence[str]) -> bool:
    """Whether `name` is in a module of `trust`, or in a package of parts and neither private nor excluded."""
    packages = {part.partition(".")[0] for part in _PARTS}
    return _lies_in(name, trust) or (_lies_in(name, packages) and not _NOT_PARTS.search(name))


def _is_part(found: Any, admitted: Sequence[str]) -> bool:
    is_code = inspect.isclass(found) or inspect.isfunction(found) or inspect.ismethod(found)
    return is_code and _lies_in(found.__module__, admitted)


def _lies_in(name: str, modules: Collection[str]) -> bool:
    return any(f"{name}.".startswith(f"{module}.") for module in modules)
