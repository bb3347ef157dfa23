"""Match what a study does not compare: the start of the losses, the norm of their gradients, and clipping.

`Study.match` holds names of `spec.study.MATCHES`. Matched values become part of a run's config and facts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ...config.walk import as_text, leaves
from ...engine.prior import measure_foreground_share, set_stationary_prior
from ...engine.setup import PRIOR
from ...modeling.losses import STATIONARY
from ..spec.study import Study
from .job import Job, RunEnd
from .scales import measure_scales, read_scales

_shares: dict[str, float] = {}  # foreground share, by everything that it depends on
_WEIGHT, _CLIP = "model.cls_loss_weight", "train.clip_grad_norm"
_NOT_FOR_LABELS = ("model.cls_loss", "model.box_loss", "model.head.", "model.test_", "dataloader.train.num_workers")


def resolve_prior(cfg: DictConfig) -> None:
    """Replace `model.head.prior_prob="stationary"` by the number that training would compute.

    Raises:
        ConfigError, ValueError, DataError: as `engine.prior.resolve_prior`.
    """
    if OmegaConf.select(cfg, PRIOR) == STATIONARY:
        set_stationary_prior(cfg, foreground_share(cfg))


def foreground_share(cfg: DictConfig) -> float:
    """`measure_foreground_share`, measured once for all variants with the same data, seed, anchors and assignment."""
    sections = {"model": cfg.model, "dataloader.train": cfg.dataloader.train}
    values = {name: OmegaConf.to_container(node, resolve=True) for name, node in sections.items()}
    text = {k: as_text(v) for k, v in leaves(values, into_lists=True) if not k.startswith(_NOT_FOR_LABELS)}
    key = json.dumps([text, cfg.train.seed])
    if key not in _shares:
        _shares[key] = measure_foreground_share(cfg)
    return _shares[key]


def match_gradients(
    study: Study, jobs: Sequence[Job], samples: Sequence[Job]
) -> tuple[list[Job], dict[tuple[str, int], RunEnd]]:
    """The jobs with matched "scale" and "clip", and by `Job.key` failed ends of jobs that could not be measured.

    "scale" multiplies a classification loss by the factor that gives its gradient at step 0 the norm of the partner's:
    for all variants, or only for those with the override `MATCHED_SCALE`. "clip" then multiplies
    `train.clip_grad_norm` by the ratio of the total gradient norms at step 0, so that every variant is clipped at the
    same multiple of its own first gradient.
    """
    clip, partner = "clip" in study.match, study.partner.name
    concerned = [job for job in jobs if clip or study.is_scaled(job.variant)]
    if not concerned:
        return list(jobs), {}
    scales = measure_scales(study.output_dir, samples, partner, study.is_scaled)
    matched = [_matched(job, scales.get(job.variant, {}), clip) for job in jobs]
    error = f"the norm of its gradient could not be matched to that of {partner}"
    failed = [job for job in concerned if not {job.variant, partner} <= set(scales)]
    return matched, {job.key: RunEnd(job.fingerprint, error=error) for job in failed}


def matched_keys(study: Study, variant: str, values: Mapping[str, str]) -> set[str]:
    """Config keys whose values in the runs of a variant matching has replaced; `values` are those before.

    A value stays if it is null, or if scales.json says that the factor is 1, as between variants that differ only in
    their learning rate.
    """
    if variant == study.partner.name:
        return set()
    scale = read_scales(study.output_dir).get(variant, {})
    weight = {_WEIGHT} if study.is_scaled(variant) and scale.get("factor") != 1 else set()
    is_clipped = "clip" in study.match and values.get(_CLIP) != str(None) and scale.get("clip_factor") != 1
    return weight | ({_CLIP} if is_clipped else set())


def _matched(job: Job, scale: dict[str, Any], clip: bool) -> Job:
    if (factor := scale.get("factor", 1.0)) != 1:
        job = _with(job, _WEIGHT, factor * float(job.facts["config"].get(_WEIGHT, 1.0)))
    threshold, ratio = job.config.train.clip_grad_norm, scale.get("clip_factor", 1.0)
    if clip and threshold is not None and ratio != 1:
        job = _with(job, _CLIP, float(f"{threshold * ratio:.6g}"))
    return job


def _with(job: Job, key: str, value: float) -> Job:
    """The job with another value in its config and facts."""
    config = job.config.copy()
    OmegaConf.update(config, key, value, force_add=True)
    return replace(job, config=config, facts=job.facts | {"config": job.facts["config"] | {key: str(value)}})
