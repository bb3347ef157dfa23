"""What a study is: a lazy config that names a base, variants of it, and seeds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detectron2.config import LazyConfig
from omegaconf import DictConfig, OmegaConf

from ..config import ConfigError, load_config
from .hypothesis import Hypothesis, read_hypotheses, read_metric_names, read_paper
from .results import METRICS

_KEYS = ("base", "variants", "seeds", "reference", "output_dir", "overrides", "match_scale")
_REPORT_KEYS = ("hypotheses", "metrics", "paper")


@dataclass(frozen=True)
class Variant:
    """A name, and the overrides in which it differs from the base."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """Every variant is trained with every seed; `reference` is the one the others are compared with.

    The report answers `hypotheses`; those `dropped` are about variants that do not run. It shows `metrics`, and the
    published figures of `paper` by variant: metrics and their source.
    `match_scale` weighs every classification loss so that its gradient at step 0 is as long as the reference's.
    """

    base: str
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    reference: str
    output_dir: Path
    overrides: tuple[str, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    dropped: tuple[Hypothesis, ...] = ()
    metrics: tuple[str, ...] = METRICS
    paper: dict[str, dict[str, Any]] = field(default_factory=dict)
    match_scale: bool = False

    def run_dir(self, variant: str, seed: int) -> Path:
        """The run folder of one training."""
        return self.output_dir / variant / f"seed{seed}"

    def run_overrides(self, variant: Variant, seed: int) -> list[str]:
        """All overrides of one training; the variant's come last, so that nothing undoes them."""
        place = f"train.output_dir='{self.run_dir(variant.name, seed)}'"
        return [*self.overrides, f"train.seed={seed}", place, *variant.overrides]

    def run_config(self, variant: Variant, seed: int) -> DictConfig:
        """The checked config of one training.

        Raises:
            ConfigError: if an override does not fit the base.
        """
        return load_config(self.base, self.run_overrides(variant, seed))


def load_study(
    path: str | Path,
    seeds: Sequence[int] | None = None,
    only: Sequence[str] | None = None,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    match_scale: bool | None = None,
) -> Study:
    """Read a study file, which defines `study = dict(base=..., variants=dict(name=[...]), seeds=[...], ...)`.

    Args:
        path: the file.
        seeds: instead of the file's.
        only: names of the variants to keep.
        output_dir: instead of the file's.
        overrides: more `key=value` for every run.
        match_scale: instead of the file's.

    Raises:
        ConfigError: if the file is no study, or names what is not there.
    """
    content = _read(Path(path))
    variants = [Variant(name, tuple(content["variants"][name])) for name in content["variants"]]
    for name in only or ():
        if name not in content["variants"]:
            raise ConfigError(f"{path} has no variant {name!r}, only {list(content['variants'])}")
    kept = tuple(v for v in variants if not only or v.name in only)
    reference = content.get("reference", kept[0].name)
    declared, names = list(content["variants"]), [v.name for v in kept]
    hypotheses, dropped = read_hypotheses(content.get("hypotheses", ()), declared, names)
    study = Study(
        base=_find_base(content["base"], Path(path)),
        variants=kept,
        seeds=tuple(seeds or content.get("seeds", [0])),
        reference=reference if reference in names else kept[0].name,
        output_dir=Path(output_dir or content.get("output_dir", "./output/study")),
        overrides=(*content.get("overrides", ()), *overrides),
        hypotheses=hypotheses,
        dropped=dropped,
        metrics=read_metric_names(content.get("metrics", METRICS)),
        paper=read_paper(content.get("paper", {}), declared, names),
        match_scale=bool(content.get("match_scale", False) if match_scale is None else match_scale),
    )
    for variant in study.variants:
        study.run_config(variant, study.seeds[0])  # a bad override is better known before training
    return study


def _read(path: Path) -> dict:
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
    bad = [name for name in content["variants"] if not re.fullmatch(r"[\w.\-]+", name)]
    if bad or not content["variants"]:
        raise ConfigError(f"{path}: variants must have names of letters, digits, _ . -, got {bad}")
    return content


def _find_base(base: str, study_file: Path) -> str:
    beside = study_file.parent / base
    return str(beside) if beside.is_file() else base
