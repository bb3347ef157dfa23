"""A study: variants of one base config, each trained with the same seeds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ...config import ConfigError, load_config, quoted
from ...config.calls import parameters_of
from .factors import Factor
from .hypothesis import Hypothesis
from .metrics import COCO_METRICS, Metric
from .threshold_free import evaluate_all_scores
from .tune_settings import TuneSettings

MATCHES = {
    "prior": "every run starts at the constant score that minimises its loss (model.head.prior_prob=stationary)",
    "scale": "the gradients of the classification losses have equal norms at step 0 (model.cls_loss_weight)",
    "clip": "train.clip_grad_norm is the same multiple of the gradient norm at step 0",
}
"""What a study can match in all runs, by name: the start of the loss, the scale of its gradient, and clipping."""

MATCHED_SCALE = "model.cls_loss_weight=matched"
"""An override that matches the loss scale of one variant, as "scale" in `match` does for all variants."""


@dataclass(frozen=True)
class Variant:
    """A name, and the overrides by which the variant differs from the base config."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """The trainings of a study, and the content of its report.

    Attributes:
        base: name or path of the base config.
        reference: name of the variant that the others are compared with.
        partner: the variant whose initial weights the others share. `partner` and `scale_seed` come from the study file
            even if only some variants or seeds run, so that a run is the same run in every part of a study.
        scale_seed: the seed with which the scale of the losses is measured.
        output_dir: the study folder.
        overrides: `key=value` for every run.
        hypotheses: those of the file about variants that run.
        questions: questions about variants that run: the file's hypotheses; without any, each variant against the
            reference of the file in the first metric, unless there are factors, whose effects are asked instead.
        other_questions: the same about variants that do not run. p-values are corrected for these too.
        planned: the number of seeds that the file plans.
        adds_seeds: whether seeds are added one by one until every verdict is settled, up to `planned`.
        hidden: variants of the file that do not run.
        metrics: columns of the report.
        paper: published figures, by variant and metric name, with their "source".
        factors: the factors whose combinations are the variants; empty unless all variants run.
        match: what is matched in all runs, names of `MATCHES`.
        threshold_free: whether runs are evaluated without a score threshold; see `evaluate_all_scores`.
        resample_train: whether each seed has its own bootstrap sample of the training images, shared by all variants,
            so that verdicts also hold for other samples of these images.
        tune: settings of retina tune.
        tuning: the "file" of tuned values and its content for "variants"; None if the variants are not tuned.
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
    questions: tuple[Hypothesis, ...] = ()
    other_questions: tuple[Hypothesis, ...] = ()
    planned: int = 1
    adds_seeds: bool = False
    hidden: tuple[Variant, ...] = ()
    metrics: tuple[Metric, ...] = COCO_METRICS
    paper: dict[str, dict[str, Any]] = field(default_factory=dict)
    factors: tuple[Factor, ...] = ()
    match: tuple[str, ...] = ()
    threshold_free: bool = True
    resample_train: bool = False
    tune: TuneSettings = field(default_factory=TuneSettings)
    tuning: dict[str, Any] | None = None

    def is_scaled(self, variant: str) -> bool:
        """Whether the scale of a variant's classification loss is matched to the partner's."""
        known = (self.partner, *self.variants, *self.hidden)
        return "scale" in self.match or any(v.name == variant and MATCHED_SCALE in v.overrides for v in known)

    @property
    def made_alike(self) -> dict[str, Any]:
        """Settings besides overrides that must agree for runs of two studies to be comparable, for report.json."""
        tuned_by = self.tuning["file"] if self.tuning else ""
        return {"match": list(self.match), "tuned_by": tuned_by, "resample_train": self.resample_train}

    def run_dir(self, variant: str, seed: int) -> Path:
        """The run folder of one training."""
        return self.output_dir / variant / f"seed{seed}"

    def run_config(self, variant: Variant, seed: int) -> DictConfig:
        """The checked config of one training. Overrides of the variant take precedence over overrides of the study.

        With "prior" in `match`, `model.head.prior_prob` is "stationary" unless the variant sets it.

        Raises:
            ConfigError: if an override does not fit the base config, or if `resample_train` is set and the training
                loader takes no `resample_seed`.
        """
        place = f"train.output_dir={quoted(self.run_dir(variant.name, seed))}"
        prior = ["model.head.prior_prob=stationary"] if "prior" in self.match else []
        own = [override for override in variant.overrides if override != MATCHED_SCALE]
        sample = [f"dataloader.train.resample_seed={seed}"] if self.resample_train else []
        cfg = load_config(self.base, [*self.overrides, *prior, *sample, f"train.seed={seed}", place, *own])
        if self.resample_train and "resample_seed" not in (parameters_of(cfg.dataloader.train) or ()):
            raise ConfigError("resample_train needs retina_plugin.data.build_train_loader as dataloader.train")
        if self.threshold_free:
            evaluate_all_scores(cfg)
        return cfg
