"""The same initial weights for all variants of a study, where names and shapes agree.

The same seed is not enough: a part of another size draws other random numbers, and so do all parts built after it.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from omegaconf import DictConfig
from torch import Tensor

from ...files import write_json, written_in_full
from ...reading import read_json
from .job import Job
from .scales import initial_model

logger = logging.getLogger(__name__)
Weights = dict[str, Tensor]
INITIAL_WEIGHTS = ".initial.pth"
"""Suffix of the file of initial weights, which is named after the run folder, such as seed0.initial.pth."""
_RECORD = ".initial.json"  # suffix of the file that says for which pair of jobs they are


def pair_weights(jobs: Sequence[Job], reference: Job) -> list[Job]:
    """The jobs, each starting from the weights that `reference` draws where names and shapes agree.

    All jobs must have the seed of `reference`. A job is returned unchanged if it draws the same weights by itself, or
    if its model cannot be built, which its run will report.
    """
    theirs: Weights | None = None
    paired = []
    for job in jobs:
        if (weights := _known_start(job, reference)) is None:
            try:
                theirs = theirs or _initial_weights(reference.config)
                start = _start(job, theirs)
            except (ValueError, OSError) as e:
                logger.warning("%s cannot be given the weights of %s: %s", job.name, reference.name, e)
                paired.append(job)
                continue
            weights = _write(job, reference, start)
        paired.append(_starting_from(job, weights) if weights else job)
    return paired


def shared_start(own: Weights, redrawn: Weights, reference: Weights) -> Weights:
    """`own`, with the reference's weights for all random weights that agree in name and shape.

    `redrawn` are the weights of another seed: weights that are equal in both, such as a bias prior, are not random.
    """
    start = dict(own)
    for name, theirs in reference.items():
        if name in own and theirs.shape == own[name].shape and not torch.equal(own[name], redrawn[name]):
            start[name] = theirs
    return start


def _start(job: Job, theirs: Weights) -> Weights | None:
    """The weights that the job must start from; None if it draws them by itself."""
    own = _initial_weights(job.config)
    if all(torch.equal(own[name], theirs[name]) for name in own if name in theirs):
        return None
    start = shared_start(own, _initial_weights(job.config, job.seed + 1), theirs)
    return None if all(torch.equal(own[name], start[name]) for name in own) else start


def _initial_weights(cfg: DictConfig, seed: int | None = None) -> Weights:
    cfg = cfg.copy()
    cfg.train.seed = cfg.train.seed if seed is None else seed
    return initial_model(cfg).state_dict()


def _known_start(job: Job, reference: Job) -> str | None:
    """Hash of the weights written for the job, "" if it needs none; None if nothing valid has been written yet."""
    weights = job.sibling_path(INITIAL_WEIGHTS)
    known = read_json(job.sibling_path(_RECORD), {}, lambda content: {"pair", "weights"} <= set(content))
    if not known or known["pair"] != _fingerprint_of_pair(job, reference):
        return None
    return None if known["weights"] and not weights.is_file() else known["weights"]


def _write(job: Job, reference: Job, start: Weights | None) -> str:
    """Write the initial weights, if any, and a record of the pair of jobs; returns the weights' hash, or ""."""
    digest, record = "", job.sibling_path(_RECORD)
    record.unlink(missing_ok=True)  # it describes the weights that are about to be replaced
    if start is not None:
        digest = _hash(start)
        job.run_dir.parent.mkdir(parents=True, exist_ok=True)
        with written_in_full(job.sibling_path(INITIAL_WEIGHTS)) as partial, partial.open("wb") as f:
            torch.save({"model": start}, f)
    write_json(record, {"pair": _fingerprint_of_pair(job, reference), "weights": digest})
    return digest


def _starting_from(job: Job, weights: str) -> Job:
    config = job.config.copy()
    config.train.init_checkpoint = str(job.sibling_path(INITIAL_WEIGHTS))
    config.train.init_classes = None  # these are weights for the run's own classes
    return replace(job, config=config, facts=job.facts | {"start": {"weights": weights}})


def _fingerprint_of_pair(job: Job, reference: Job) -> str:
    return hashlib.sha256((job.fingerprint + reference.fingerprint).encode()).hexdigest()


def _hash(weights: Weights) -> str:
    found = hashlib.sha256()
    for name, value in weights.items():
        found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()
