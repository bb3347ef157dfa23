"""The file of a study: `study = dict(base=..., variants=dict(name=[...]), ...)`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.config import LazyConfig
from omegaconf import OmegaConf

from ...config import ConfigError

__all__ = ["check_overrides", "find_base", "read_study_file"]

_KEYS = ("base", "variants", "seeds", "reference", "output_dir", "overrides", "match_scale")
_REPORT_KEYS = ("hypotheses", "metrics", "paper")


def read_study_file(path: Path) -> dict[str, Any]:
    """What the file defines.

    Raises:
        ConfigError: if it defines no study, has a key that nothing takes, or a variant that cannot be.
    """
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"study {path} does not exist or is no .py file")
    try:
        content = OmegaConf.to_container(LazyConfig.load(str(path), "study"), resolve=False)
    except KeyError as e:
        raise ConfigError(f"{path} defines no {e}: a study file has study = dict(base=...)") from e
    unknown = [key for key in content if key not in (*_KEYS, *_REPORT_KEYS)]
    if unknown or not {"base", "variants"} <= set(content):
        raise ConfigError(
            f"{path}: study needs base and variants, and takes {[*_KEYS, *_REPORT_KEYS]}"
        )
    _check_variants(path, content["variants"])
    check_overrides(f"{path}: overrides", content.get("overrides", ()))
    return content


def _check_variants(path: Path, variants: dict[str, list[str]]) -> None:
    bad = [n for n in variants if type(n) is not str or not re.fullmatch(r"[^\W_][\w.\-]*", n)]
    if bad or not variants:
        raise ConfigError(
            f"{path}: variants must have names of letters, digits, _ . -, the first a letter or digit, got {bad}"
        )
    for name, overrides in variants.items():
        check_overrides(f"{path}: variant {name}", overrides)


def check_overrides(whose: str, overrides: Sequence[str]) -> None:
    """Refuse what would be undone silently.

    Raises:
        ConfigError: for overrides of what every run of a study has its own of.
    """
    if taken := [o for o in overrides if re.match(r"\+?train\.(seed|output_dir)\b", o)]:
        raise ConfigError(
            f"{whose}: {taken} is for the study to set, by its seeds and output_dir, --seeds and --output"
        )


def find_base(base: str, study_file: Path) -> str:
    """A base that lies beside the study, or else a name for `get_config`."""
    beside = study_file.parent / base
    return str(beside) if beside.is_file() else base
