"""One run of a study: what to train, where, and how its last start ended."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

from ...config import ConfigError, load_config
from ...config.yaml_file import save_config
from ...files import write_json
from ...reading import read_json
from .fingerprint import RunFacts, changes

__all__ = ["FACTS", "NOT_ENDED", "RESULT", "Job", "RunEnd", "holds_part_of", "known_end", "what_changed", "write_end"]

FACTS, RESULT = "facts.json", "result.json"  # in the run folder
NOT_ENDED = "has not ended"  # the error of a run whose process may have been killed


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Attributes:
        run_dir: the run folder, absolute.
        config: the resolved config of the run; every stage of a study reads this one.
        facts: everything that the numbers of the run follow from.
        threads: number of CPU threads.
        cwd: the working directory that relative paths of the config refer to.
    """

    variant: str
    seed: int
    run_dir: Path
    config: DictConfig = field(repr=False, compare=False)
    facts: RunFacts = field(repr=False)
    threads: int
    cwd: Path

    @property
    def fingerprint(self) -> str:
        """The facts as one short string."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()

    @property
    def key(self) -> tuple[str, int]:
        """Variant and seed."""
        return self.variant, self.seed

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.variant}, seed {self.seed}"

    @property
    def max_iter(self) -> int:
        """Iterations of the whole run."""
        return self.config.train.max_iter

    @property
    def config_file(self) -> Path:
        """The file that the run's process reads its config from."""
        return self.sibling_path(".yaml")

    def sibling_path(self, suffix: str) -> Path:
        """A file next to the run folder, such as seed0.log, which stays in place when the folder is moved."""
        return self.run_dir.with_name(self.run_dir.name + suffix)

    def write_config(self) -> None:
        """Write `config_file`.

        Raises:
            ConfigError: if YAML cannot hold the config.
        """
        self.run_dir.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_config(self.config, self.config_file)
            load_config(self.config_file)
        except (ConfigError, yaml.YAMLError) as e:
            raise ConfigError(f"the config of {self.name} cannot be written as YAML: {e}") from e


@dataclass(frozen=True)
class RunEnd:
    """How the last start of a run ended. `error` is empty if it trained to its end.

    Minutes add up over interruptions. `peak_memory_mb` is the peak that tensors took of the GPU or, without one, the
    peak of the training process without its loading processes; NaN if unknown.
    """

    digest: str
    minutes: float = 0.0
    error: str = ""
    peak_memory_mb: float = math.nan


def known_end(job: Job) -> RunEnd | None:
    """What the run folder says about this very run; None if it says nothing."""
    end = read_end(job.run_dir)
    return end if end is not None and end.digest == job.fingerprint else None


def read_end(run_dir: Path) -> RunEnd | None:
    """What a run folder says about how its run ended; None if it says nothing, or nothing readable."""
    found = read_json(run_dir / RESULT, {}, _is_end)
    return RunEnd(**found) if found else None


def write_end(job: Job, end: RunEnd) -> None:
    """Write `end` into the run folder."""
    write_json(job.run_dir / RESULT, asdict(end))


def what_changed(job: Job) -> list[str]:
    """How the run in the run folder differs from this one; empty if it does not, or if that is unknown."""
    before = read_facts(job.run_dir)
    return changes(before, job.facts) if before else []


def holds_part_of(job: Job) -> bool:
    """Whether the run folder says that it holds a part of this very run, in its facts or, without these, its end."""
    before = read_facts(job.run_dir)
    return not changes(before, job.facts) if before else known_end(job) is not None


def read_facts(run_dir: Path) -> RunFacts:
    """The facts of the run in a run folder; empty if it has none, or none that are readable."""
    return read_json(run_dir / FACTS, {}, _are_facts)


def is_resampled(run_dir: Path) -> bool:
    """Whether a run was trained on a bootstrap sample of its training images."""
    return read_facts(run_dir).get("config", {}).get("dataloader.train.resample_seed", "None") != "None"


def _is_end(content: dict[str, Any]) -> bool:
    texts = [content.get("digest"), content.get("error", "")]
    minutes, memory = content.get("minutes", 0.0), content.get("peak_memory_mb", 0.0)  # the memory may be NaN
    known = {"digest", "error", "minutes", "peak_memory_mb"}
    is_typed = all(isinstance(x, str) for x in texts) and all(isinstance(x, int | float) for x in (minutes, memory))
    return is_typed and math.isfinite(minutes) and set(content) <= known


def _are_facts(content: dict[str, Any]) -> bool:
    return all(isinstance(part, dict) and all(isinstance(v, str) for v in part.values()) for part in content.values())
