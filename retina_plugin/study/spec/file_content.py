"""The content of a study file: `study = dict(base=..., variants=dict(name=[...]), seeds=[...], ...)`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectron2.config import LazyConfig
from omegaconf import OmegaConf

from ...config import ConfigError
from ...config.load import errors_named
from ...config.overrides import read_overrides
from .factors import combine, read_factors
from .names import unusable_names
from .study import MATCHES

_KEYS = """base variants factors seeds max_seeds reference output_dir overrides match match_scale threshold_free
resample_train tune tuned_by hypotheses metrics paper grid""".split()
_KINDS = {
    "base": (str | Path, "the name of a config"),
    "output_dir": (str | Path, "a folder"),
    "reference": (str, "the name of a variant"),
    "match": (list | tuple, f"a list of {list(MATCHES)}"),
    "match_scale": (bool | None, "True or False"),
    "threshold_free": (bool, "True or False"),
    "resample_train": (bool, "True or False"),
    "tuned_by": (str | Path | None, "a file"),
    "hypotheses": (list, "a list of dict(better=..., than=...)"),
    "paper": (dict, "dict(variant=dict(AP=..., source='Table 1b'))"),
}


def read_study_file(path: str | Path) -> dict[str, Any]:
    """The content of a study file, with combinations of factors as variants; raises ConfigError if it is not valid."""
    path = Path(path)
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"study {path} does not exist or is not a .py file")
    with errors_named(f"study {path}"):
        content = _load(path)
    for key, (kind, words) in _KINDS.items():
        if key in content and not isinstance(content[key], kind):
            raise ConfigError(f"{path}: {key} must be {words}, got {content[key]!r}")
    if "factors" in content and "variants" not in content:
        content["variants"] = combine(read_factors(content["factors"]))
    elif "factors" in content:
        raise ConfigError(f"{path}: the combinations of factors are the variants: give factors or variants, not both")
    wrong = [f"{key!r} is unknown" for key in content if key not in _KEYS]
    wrong += [f"{key!r} is missing" for key in ("base", "variants") if key not in content]
    if wrong:
        raise ConfigError(f"{path}: {', '.join(wrong)}; study needs base and variants, and takes {_KEYS}")
    names = content["variants"]
    if not isinstance(names, Mapping):
        raise ConfigError(f"{path}: variants must be dict(name=['key=value', ...], ...), got {names!r}")
    bad = unusable_names(names)
    if bad or not names:
        raise ConfigError(
            f"{path}: variants must have names of letters, digits, _ . -, starting with a letter or digit, got {bad}"
        )
    for name, overrides in names.items():
        check_overrides(f"{path}: variant {name}", overrides)
    check_overrides(f"{path}: overrides", content.get("overrides", ()))
    return content


def _load(path: Path) -> dict[str, Any]:
    try:
        study = LazyConfig.load(str(path), "study")
    except KeyError as e:
        raise ConfigError(f"it defines no {e}: a study file has study = dict(base=...)") from e
    if not OmegaConf.is_dict(study):
        raise ConfigError(f"study must be dict(base=...), got {study!r}")
    return OmegaConf.to_container(study, resolve=False)


def check_overrides(where: str, overrides: Any) -> tuple[str, ...]:
    """Overrides `key=value`; ConfigError unless they are such a list, without seed and folder, which the study sets."""
    overrides = read_overrides(where, overrides)
    if taken := [o for o in overrides if re.match(r"\+?train\.(seed|output_dir)\b", o)]:
        raise ConfigError(f"{where}: the study sets {taken}; use its seeds and output_dir, or --seeds and --output")
    return overrides
