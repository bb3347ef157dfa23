"""What is wrong with a config, its data or a finished run."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig

from ...analysis.doctor.after import RUN_CHECKS
from ...analysis.doctor.examine import examine, examine_run
from ...analysis.doctor.finding import Finding, finding_of
from ...analysis.pasting import word
from ...config import ConfigError, load_config


def doctor(
    config_file: str | Path, overrides: Sequence[str] = (), quick: bool = False, trust: Sequence[str] = ("*",)
) -> list[Finding]:
    """Findings about a config and its data, errors first, without a full training.

    `quick` leaves out all checks that read images or build the model. `trust` restricts what a config in YAML may name,
    as in `load_config`. A config that cannot be read is a finding, too.
    """
    try:
        cfg = load_config(config_file, overrides, trust)
    except ConfigError as e:
        return [finding_of(e, str(config_file))]
    return findings_of(cfg, quick)


@contextmanager
def _without_log() -> Iterator[None]:
    """Suppress the warnings that loaders log: they repeat findings, or are about single files."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@_without_log()
def findings_of(cfg: DictConfig, quick: bool = False) -> list[Finding]:
    """As `doctor`, for a loaded config, which may be changed."""
    return examine(cfg, quick)


@_without_log()
def doctor_of_run(run_dir: str | Path, trust: Sequence[str] = ()) -> list[Finding]:
    """Findings about a finished run, errors first; `trust` lists modules of your own that its config may use."""
    return examine_run(run_dir, trust)


def as_text(findings: Sequence[Finding], as_json: bool = False, run_dir: str | Path | None = None) -> str:
    """The findings as blocks of lines, or as a json list. If a run has none, the text says what to look at next."""
    if as_json:
        return json.dumps([asdict(finding) for finding in findings], indent=1)
    nothing = "no findings"
    if run_dir is not None:
        nothing += f" in {len(RUN_CHECKS)} checks of files, course of the loss, detections and missed objects. "
        nothing += f"What costs AP: retina analyze-errors --run {word(run_dir)}"
    return "\n\n".join(map(str, findings)) or nothing


def is_sound(findings: Sequence[Finding]) -> bool:
    """Whether all findings are hints."""
    return all(finding.severity == "hint" for finding in findings)
