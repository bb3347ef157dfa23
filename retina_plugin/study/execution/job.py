"""One run of a study as something to hand to a process, here or on another machine."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from ...files import write_json
from .fingerprint import RunFacts, changes, digest_of

__all__ = ["Job", "Outcome", "known_outcome", "what_changed", "write_outcome"]

FACTS, RESULT = "facts.json", "result.json"  # in the run folder


@dataclass(frozen=True)
class Job:
    """What to train, and where.

    `base` and `overrides` are for the folder `cwd`; `facts` are what the run is known by.
    """

    variant: str
    seed: int
    run_dir: Path
    base: str
    overrides: tuple[str, ...]
    facts: RunFacts
    max_iter: int
    threads: int
    cwd: Path

    @property
    def digest(self) -> str:
        """The facts as one short text."""
        return digest_of(self.facts)

    @property
    def arguments(self) -> list[str]:
        """Those of tools/train_net.py."""
        return ["--config-file", self.base, *self.overrides]

    @property
    def key(self) -> tuple[str, int]:
        """Which of the study it is."""
        return self.variant, self.seed

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.variant}, seed {self.seed}"

    def beside(self, suffix: str) -> Path:
        """A file beside the run folder, such as seed0.log, which stays when the folder is moved."""
        return self.run_dir.with_name(self.run_dir.name + suffix)


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `error` is empty if it trained to its end.

    Minutes add up over interruptions; of a run that was killed, its last seconds are not known. The peak is what
    tensors took of the GPU, or without one the memory of the training process, not counting those that load images.
    """

    digest: str
    minutes: float = 0.0
    error: str = ""
    peak_memory_mb: float = math.nan


def known_outcome(job: Job) -> Outcome | None:
    """What the run folder says about this very run; None if it says nothing."""
    path = job.run_dir / RESULT
    if not path.is_file():
        return None
    outcome = Outcome(**json.loads(path.read_text()))
    return outcome if outcome.digest == job.digest else None


def write_outcome(job: Job, outcome: Outcome) -> None:
    """Leave `outcome` in the run folder."""
    write_json(job.run_dir / RESULT, asdict(outcome))


def what_changed(job: Job) -> list[str]:
    """Why the run that is in the run folder is not this one; empty if it is, or if there is none."""
    path = job.run_dir / FACTS
    return changes(json.loads(path.read_text()), job.facts) if path.is_file() else []
