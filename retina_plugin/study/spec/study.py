"""A study: variants of one base config, each trained with the same seeds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ...config import load_config, quoted
from .hypothesis import Hypothesis
from .metrics import COCO_METRICS, Metric
from .threshold_free import evaluate_all_scores
from .tune_settings import TuneSettings


@dataclass(frozen=True)
class Variant:
    """A name, and the overrides by which the variant differs from the base config."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """What a study trains, and what its report shows.

    Attributes:
        base: name or path of the base config.
        reference: name of the variant that the others are compared with.
        partner: the variant whose initial weights the others share. It and `scale_seed` are those of the study file
            even if only some variants or seeds run, so that a run is the same run in every part of a study.
        scale_seed: the seed with which the scale of the losses is measured.
        output_dir: the study folder.
        overrides: `key=value` for every run.
        not_asked: hypotheses of the file about variants that do not run.
        metrics: columns of the report.
        paper: published figures, by variant and metric name, with their "source".
        match_scale: whether every classification loss is weighted so that the norm of its gradient at step 0 equals
            that of the partner.
        threshold_free: whether runs are evaluated without a score threshold; see `evaluate_all_scores`.
        tune: settings of tools/tune.py.
        tuning: the file of tuned values and what it says, by variant; None if the variants are not tuned.
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
    not_asked: tuple[Hypothesis, ...] = ()
    metrics: tuple[Metric, ...] = COCO_METRICS
    paper: dict[str, dict[str, Any]] = field(default_factory=dict)
    match_scale: bool = False
    threshold_free: bool = True
    tune: TuneSettings = field(default_factory=TuneSettings)
    tuning: dict[str, Any] | None = None

    def run_dir(self, variant: str, seed: int) -> Path:
        """The run folder of one training."""
        return self.output_dir / variant / f"seed{seed}"

    def run_config(self, variant: Variant, seed: int) -> DictConfig:
        """The checked config of one training. The overrides of the variant take precedence over those of the study.

        Raises:
            ConfigError: if an override does not fit the base config.
        """
        place = f"train.output_dir={quoted(self.run_dir(variant.name, seed))}"
        cfg = load_config(self.base, [*self.overrides, f"train.seed={seed}", place, *variant.overrides])
        if self.threshold_free:
            evaluate_all_scores(cfg)
        return cfg
