"""What a study is: a lazy config that names a base, variants of it, and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ...config import ConfigError, load_config, quoted
from .hypothesis import (
    METRICS,
    Hypothesis,
    read_hypotheses,
    read_metric_names,
    read_paper,
    read_seeds,
)
from .study_file import check_overrides, find_base, read_study_file


@dataclass(frozen=True)
class Variant:
    """A name, and the overrides in which it differs from the base."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """Every variant is trained with every seed; `reference` is the one the others are compared with.

    `partner` is the one whose initial weights they share, and `scale_seed` the seed for which losses are measured. Both
    are the file's, whichever variants and seeds run: what runs is the same run in every part of a study.

    The report answers `hypotheses`; those `dropped` are about variants that do not run. It shows `metrics`, and the
    published figures of `paper` by variant: metrics and their source.
    `match_scale` weighs every classification loss so that its gradient at step 0 is as long as the reference's.
    """

    base: str
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    reference: str
    partner: Variant
    scale_seed: int
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
        place = f"train.output_dir={quoted(self.run_dir(variant.name, seed))}"
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
    content = read_study_file(Path(path))
    check_overrides("the command line", overrides)
    variants = {name: Variant(name, tuple(x)) for name, x in content["variants"].items()}
    declared = list(variants)
    reference = content.get("reference", declared[0])
    for name in (reference, *(only or ())):
        if name not in variants:
            raise ConfigError(f"{path} has no variant {name!r}, only {declared}")
    kept = tuple(v for v in variants.values() if not only or v.name in only)
    names = [v.name for v in kept]
    own_seeds = read_seeds(content.get("seeds", [0]))
    hypotheses, dropped = read_hypotheses(content.get("hypotheses", ()), declared, names)
    study = Study(
        base=find_base(content["base"], Path(path)),
        variants=kept,
        seeds=own_seeds if seeds is None else read_seeds(seeds),
        reference=reference if reference in names else names[0],
        partner=variants[reference],
        scale_seed=own_seeds[0],
        output_dir=Path(output_dir or content.get("output_dir", "./output/study")),
        overrides=(*content.get("overrides", ()), *overrides),
        hypotheses=hypotheses,
        dropped=dropped,
        metrics=read_metric_names(content.get("metrics", METRICS)),
        paper=read_paper(content.get("paper", {}), declared, names),
        match_scale=bool(content.get("match_scale", False) if match_scale is None else match_scale),
    )
    for variant in (study.partner, *study.variants):
        study.run_config(variant, study.seeds[0])  # a bad override is better known before training
    return study
