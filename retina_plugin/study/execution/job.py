"""One run of a study: what to train, where, and how its last training process ended."""

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
from .fingerprint import RunFacts, changes, run_facts

FACTS, RESULT = "facts.json", "result.json"  # in the run folder
NOT_ENDED = "has not ended"  # the error of a run whose process may have been killed


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Attributes:
        run_dir: the run folder, absolute.
        config: the resolved config of the run, which every stage of a study reads.
        facts: everything that determines the results of the run, see `run_facts`.
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

    @staticmethod
    def of(variant: str, config: DictConfig, threads: int) -> "Job":
        """The job of a resolved config, which sets seed and run folder; raises errors as `run_facts`."""
        run_dir = Path(config.train.output_dir).resolve()
        return Job(variant, config.train.seed, run_dir, config, run_facts(config, threads), threads, Path.cwd())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the facts."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()

    @property
    def key(self) -> tuple[str, int]:
        """Variant and seed."""
        return self.variant, self.seed

    @property
    def name(self) -> str:
        """Variant and seed as text for messages."""
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
        """The path of a file next to the run folder, such as seed0.log, which stays when the folder is moved."""
        return self.run_dir.with_name(self.run_dir.name + suffix)

    def write_config(self) -> None:
        """Write `config_file`.

        Raises:
            ConfigError: if YAML cannot hold the config.
        """
        try:
            save_config(self.config, self.config_file)
            load_config(self.config_file)
        except (ConfigError, yaml.YAMLError) as e:
            raise ConfigError(f"the config of {self.name} cannot be written as YAML: {e}") from e


@dataclass(frozen=True)
class RunEnd:
    """How the last training process of a run ended. `error` is empty if the run is complete.

    `digest` is the job's fingerprint. Minutes add up over interruptions. `peak_memory_mb` is the peak of tensors on the
    GPU or, without a GPU, of the training process without data loading workers; NaN if unknown.
    """

    digest: str
    minutes: float = 0.0
    error: str = ""
    peak_memory_mb: float = math.nan


def known_end(job: Job) -> RunEnd | None:
    """The end that the run folder records for this very run (same fingerprint); None if there is none."""
    end = read_end(job.run_dir)
    return end if end is not None and end.digest == job.fingerprint else None


def read_end(run_dir: Path) -> RunEnd | None:
    """The end that a run folder records; None if there is none or it is unreadable."""
    found = read_json(run_dir / RESULT, {}, _is_end)
    return RunEnd(**found) if found else None


def write_end(job: Job, end: RunEnd) -> None:
    """Write `end` into the run folder."""
    write_json(job.run_dir / RESULT, asdict(end))


def what_changed(job: Job) -> list[str]:
    """How the facts of the run in the run folder differ from the job's; empty if they do not or are unknown."""
    before = read_facts(job.run_dir)
    return changes(before, job.facts) if before else []


def holds_part_of(job: Job) -> bool:
    """Whether the run folder holds a part of this very run, by its facts or, without facts, by its recorded end."""
    before = read_facts(job.run_dir)
    return not changes(before, job.facts) if before else known_end(job) is not None


def read_facts(run_dir: Path) -> RunFacts:
    """The facts of the run in a run folder; empty if they are missing or unreadable."""
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
