"""The same initial weights for all variants of a study, where their shapes allow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ...config import load_config, quoted
from ...engine import RunCheckpointer
from ...engine.setup import build_model
from ...files import write_json, written_in_full
from .child import begin_process
from .job import Job
from .processes import processes_at_once, run_side_by_side

__all__ = ["pair_weights", "shared_start"]

Weights = dict[str, Tensor]
_CANNOT_BE_BUILT = ".initial.error.json"


def pair_weights(pairs: Sequence[tuple[Job, Job]], log: Path) -> list[Job]:
    """Jobs, begun with the weights that their references draw of the same seed.

    The same seed alone does not do that: a part of another size draws other numbers, and so do all parts built after
    it. Where it does, the job comes back as it is.

    Args:
        pairs: a job of any variant, and the one of the reference variant and the same seed. A job that cannot be built
            comes back as it is, and says so when it runs.
        log: for what goes wrong.

    Raises:
        OSError: if weights could not be compared or written, such as for want of memory or disk.
    """
    new = [pair for pair in pairs if _known_start(*pair) is None]
    at_once = processes_at_once(max((job.threads for job, _ in new), default=1))
    run_side_by_side(_write, ((*pair, log.resolve()) for pair in new), at_once)
    return [_begun(job, reference, log) for job, reference in pairs]


def _known_start(job: Job, reference: Job) -> str | None:
    """Digest of the weights that are written for the job, empty if it needs none; None if that is not known yet."""
    path, facts = job.beside(".initial.pth"), job.beside(".initial.json")
    known = json.loads(facts.read_text()) if facts.is_file() else {}
    if known.get("pair") != _pair(job, reference) or (known["weights"] and not path.is_file()):
        return None
    return known["weights"]


def _pair(job: Job, reference: Job) -> str:
    return hashlib.sha256((job.digest + reference.digest).encode()).hexdigest()


def _begun(job: Job, reference: Job, log: Path) -> Job:
    weights = _known_start(job, reference)
    if weights is None and not job.beside(_CANNOT_BE_BUILT).is_file():
        raise OSError(
            f"{job.name} could not be given {reference.name}'s initial weights: see {log}"
        )
    if not weights:
        return job
    overrides = (*job.overrides, f"train.init_checkpoint={quoted(job.beside('.initial.pth'))}")
    return replace(job, overrides=overrides, facts=job.facts | {"start": {"weights": weights}})


def shared_start(own: Weights, redrawn: Weights, reference: Weights) -> Weights:
    """`own` weights, with the reference's in place of all that are drawn at random and have the same name and shape.

    Weights that do not follow from the seed, such as a bias prior, are equal in `redrawn`, which another seed drew.
    """

    def is_shared(name: str) -> bool:
        theirs = reference.get(name)
        is_drawn = not torch.equal(own[name], redrawn[name])
        return is_drawn and theirs is not None and theirs.shape == own[name].shape

    return {name: reference[name] if is_shared(name) else own[name] for name in own}


def _write(job: Job, reference: Job, log: Path) -> None:
    begin_process(log, job.cwd, job.threads)
    for suffix in (".initial.json", _CANNOT_BE_BUILT):  # they say what the .pth beside them holds
        job.beside(suffix).unlink(missing_ok=True)
    try:
        own, theirs = _weights(job), _weights(reference)
    except Exception as e:
        write_json(job.beside(_CANNOT_BE_BUILT), str(e))
        raise
    begin, digest = own, ""
    if any(name in theirs and not torch.equal(own[name], theirs[name]) for name in own):
        begin = shared_start(own, _weights(job, seed=job.seed + 1), theirs)
    if any(not torch.equal(own[name], begin[name]) for name in own):
        digest = _digest(begin)
        job.run_dir.parent.mkdir(parents=True, exist_ok=True)
        with written_in_full(job.beside(".initial.pth")) as partial:
            torch.save({"model": begin}, partial)
    write_json(job.beside(".initial.json"), {"pair": _pair(job, reference), "weights": digest})


def _weights(job: Job, seed: int | None = None) -> Weights:
    cfg = load_config(job.base, job.overrides)
    cfg.train.seed = job.seed if seed is None else seed
    model = build_model(cfg)
    RunCheckpointer(model).load_some(cfg.train.init_checkpoint)
    return model.state_dict()


def _digest(weights: Weights) -> str:
    found = hashlib.sha256()
    for name, value in weights.items():
        found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()
