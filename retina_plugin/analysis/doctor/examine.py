"""Runs the checks of the doctor. A check that raises an error does not hide the findings of the others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from ...data.errors import DataError, with_key
from ...engine.logs import show_tracebacks
from ...printable import first_line
from ...run_folder import CONFIG
from . import data, training
from .after import RUN_CHECKS
from .after.record import Record
from .finding import Finding, finding_of
from .subject import Subject

PARTS = (data, training)
"""Packages whose `CHECKS` examine a config; their `QUICK_CHECKS` read no image and build no model."""

_ORDER = ("error", "warning", "hint")


def examine(cfg: DictConfig, quick: bool = False) -> list[Finding]:
    """Findings about a config and its data, errors first; `quick` reads no image and builds no model."""
    checks = [check for part in PARTS for check in (part.QUICK_CHECKS if quick else part.CHECKS)]
    subject, values = Subject(cfg), OmegaConf.to_container(cfg, resolve=False)
    found = [finding for check in checks for finding in _findings(check, subject)]
    return _sorted(
        replace(f, message=with_key(f.message, f.code, values)) if f.severity == "error" else f for f in found
    )


def examine_run(run_dir: str | Path, trust: Sequence[str] = ()) -> list[Finding]:
    """Findings about a finished or broken run, errors first; `trust` lists modules of your own that its config may use.

    If its test data are not on this machine, only files, losses and scores are examined.
    """
    return _sorted(_findings(_run_folder, run_dir, trust))


def _run_folder(run_dir: str | Path, trust: Sequence[str]) -> Iterator[Finding]:
    try:
        record = Record(run_dir, trust)
    except ConfigError as e:
        yield finding_of(e, str(run_dir), f"name the train.output_dir of a training; or correct its {CONFIG}")
        return
    for check in RUN_CHECKS:
        yield from _findings(check, record)


def _findings(check: Callable[..., Iterable[Finding]], *arguments: Any) -> Iterator[Finding]:
    """The findings of one check, and one more if it raises an error."""
    try:
        yield from check(*arguments)
    except (ConfigError, DataError) as e:
        yield finding_of(e)
    except Exception as e:
        if show_tracebacks():
            raise
        yield Finding(
            "warning",
            "check-failed",
            f"the check {check.__name__} could not be made: {type(e).__name__}: {first_line(e)}",
            f"{check.__module__}.{check.__name__}",
            "correct the other findings first; RETINA_PLUGIN_TRACEBACK=1 shows where it fails",
        )


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    """The findings without repetitions, errors first: several checks may meet the same error."""
    once = {(finding.code, finding.message): finding for finding in reversed(list(findings))}
    return sorted(reversed(once.values()), key=lambda finding: _ORDER.index(finding.severity))
