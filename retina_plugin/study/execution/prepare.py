"""Prepare a study: one resolved config per run, paired initial weights and, if asked, matched starts and gradients."""

import itertools
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from ..spec.study import Study, Variant
from .confounds import measure_confounds
from .job import Job, RunEnd
from .matching import match_gradients, resolve_prior
from .pairing import pair_weights
from .scales import measure_scales

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A study that is ready to run: its jobs seed by seed, and by `Job.key` the ends of jobs that cannot run.

    `samples` are one job of each variant without matching, to measure the scale of its loss.
    """

    jobs: list[Job]
    failed: dict[tuple[str, int], RunEnd]
    samples: list[Job]


def prepare(study: Study, threads: int) -> Prepared:
    """Prepare every run of a study with `threads` CPU threads each, and write its config beside its run folder.

    Raises:
        ConfigError, DataError: for a config or data that cannot be used.
    """
    paired = _paired_jobs(study, threads)
    samples = list(paired[study.scale_seed].values())
    jobs = [paired[seed][variant.name] for seed in study.seeds for variant in study.variants]
    jobs, failed = match_gradients(study, jobs, samples)
    for job in jobs:
        job.write_config()
    _warn_of_equal(study, [job for job in jobs if job.seed == study.seeds[0] and job.key not in failed])
    return Prepared(jobs, failed, samples)


def _warn_of_equal(study: Study, jobs: Iterable[Job]) -> None:
    """Warn of variants whose overrides differ and whose runs do not, as where `match` sets what they vary."""
    overrides = {v.name: v.overrides for v in study.variants}
    for one, other in itertools.combinations(jobs, 2):
        if one.fingerprint == other.fingerprint and overrides[one.variant] != overrides[other.variant]:
            logger.warning(
                "%s and %s train the same config, although their overrides differ%s: their results will be equal",
                one.variant,
                other.variant,
                f" (matched: {', '.join(study.match)})" if study.match else "",
            )


def measure(study: Study, prepared: Prepared) -> None:
    """Complete scales.json and confounds.json of the study's folder, for the report."""
    measure_scales(study.output_dir, prepared.samples, study.partner.name, study.is_scaled)
    measure_confounds(study.output_dir, prepared.samples, prepared.jobs)


def make_job(study: Study, variant: Variant, seed: int, threads: int) -> Job:
    """The job of one run, before its weights and gradients are matched to other variants."""
    cfg = study.run_config(variant, seed)
    resolve_prior(cfg)
    return Job.of(variant.name, cfg, threads)


def _paired_jobs(study: Study, threads: int) -> dict[int, dict[str, Job]]:
    """Jobs by seed and variant that start from the partner's weights; the partner and `scale_seed` are included."""
    partner = study.partner.name
    seeds = dict.fromkeys((study.scale_seed, *study.seeds))
    variants = {v.name: v for v in (study.partner, *study.variants)}
    jobs = {s: {n: make_job(study, v, s, threads) for n, v in variants.items()} for s in seeds}

    def pair(seed: int, names: Iterable[str]) -> list[str]:
        """Pair variants of a seed; returns the names of variants that do not draw the partner's weights themselves."""
        before = [jobs[seed][name] for name in names]
        after = pair_weights(before, jobs[seed][partner])
        jobs[seed] |= {job.variant: job for job in after}
        return [new.variant for old, new in zip(before, after, strict=True) if new is not old]

    differ = pair(study.scale_seed, [name for name in variants if name != partner])
    for seed in seeds:
        if seed != study.scale_seed:
            pair(seed, differ)  # a variant that draws the partner's numbers does so with every seed
    return jobs
