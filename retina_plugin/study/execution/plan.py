"""What runs of a study there are: with the same initial weights, and, if asked, with gradients of the same length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from ..spec.study import Study, Variant
from .fingerprint import run_facts
from .job import Job, Outcome
from .pairing import pair_weights
from .scales import Scales, measure_scales

__all__ = ["Plan", "make_job", "plan_jobs"]


@dataclass(frozen=True)
class Plan:
    """All jobs, seed by seed, and the outcomes of those that cannot be as they should, by `Job.key`.

    `measure` completes the study's scales.json, for the report. It takes the place of one run and some seconds, and may
    be called while others run; where scales are matched, it has been.
    """

    jobs: list[Job]
    failed: dict[tuple[str, int], Outcome]
    measure: Callable[[], Scales]


def plan_jobs(study: Study, threads: int) -> Plan:
    """What to run, with so many threads each.

    Raises:
        ConfigError, DataError: for what cannot be used.
    """
    log, partner = study.output_dir / "preparation.log", study.partner.name
    paired = _paired_jobs(study, threads, log)
    samples, match = list(paired[study.scale_seed].values()), study.match_scale
    measure = cache(partial(measure_scales, study.output_dir, samples, partner, match, log))
    jobs = [paired[seed][variant.name] for seed in study.seeds for variant in study.variants]
    if not match:
        return Plan(jobs, {}, measure)
    return _matched(
        jobs, partner, measure, f"its gradient could not be matched to {partner}'s (see {log})"
    )


def _matched(jobs: Sequence[Job], partner: str, measure: Callable[[], Scales], error: str) -> Plan:
    """The plan for jobs whose losses are weighed; those that have no scale fail."""
    scales = measure()
    weighed = [_weighed(job, scales.get(job.variant, {}).get("factor", 1.0)) for job in jobs]
    failed = [job for job in jobs if not {job.variant, partner} <= set(scales)]
    return Plan(weighed, {job.key: Outcome(job.digest, error=error) for job in failed}, measure)


def _paired_jobs(study: Study, threads: int, log: Path) -> dict[int, dict[str, Job]]:
    """Jobs by seed and variant that begin with the partner's weights; the partner and `scale_seed` are among them."""
    seeds = dict.fromkeys((study.scale_seed, *study.seeds))
    variants = {v.name: v for v in (study.partner, *study.variants)}
    jobs = {s: {n: make_job(study, v, s, threads) for n, v in variants.items()} for s in seeds}

    def paired(seed: int, names: Iterable[str]) -> list[tuple[Job, Job]]:
        return [(jobs[seed][name], jobs[seed][study.partner.name]) for name in names]

    first = pair_weights(
        paired(study.scale_seed, [n for n in variants if n != study.partner.name]), log
    )
    # one that draws the partner's numbers with one seed does so with every seed
    differ = [job.variant for job in first if job != jobs[job.seed][job.variant]]
    others = [pair for seed in seeds if seed != study.scale_seed for pair in paired(seed, differ)]
    for job in (*first, *pair_weights(others, log)):
        jobs[job.seed][job.variant] = job
    return jobs


def make_job(study: Study, variant: Variant, seed: int, threads: int) -> Job:
    """One run as it would be without the others."""
    cfg = study.run_config(variant, seed)
    return Job(
        variant=variant.name,
        seed=seed,
        run_dir=study.run_dir(variant.name, seed).resolve(),
        base=study.base,
        overrides=tuple(study.run_overrides(variant, seed)),
        facts=run_facts(cfg, threads),
        max_iter=cfg.train.max_iter,
        threads=threads,
        cwd=Path.cwd(),
    )


def _weighed(job: Job, factor: float) -> Job:
    """The job with its classification loss times `factor`."""
    if factor == 1:
        return job
    key, config = "model.cls_loss_weight", job.facts["config"]
    weight = factor * float(config.get(key, 1.0))
    return replace(
        job,
        overrides=(*job.overrides, f"{key}={weight}"),
        facts=job.facts | {"config": config | {key: str(weight)}},
    )
