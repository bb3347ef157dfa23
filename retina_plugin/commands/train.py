"""Training with a short examination of its config and data before it begins."""

import argparse
from pathlib import Path

from omegaconf import DictConfig

from ..analysis.doctor.subject import Subject
from ..engine.cli import start_training
from ..files import first_line
from .analysis.doctor import findings_of

_MOST_BYTES = 2**24  # of all json files together, which take about two seconds to examine


def train(args: argparse.Namespace) -> None:
    """Train or evaluate as the flags of `retina train` say.

    Raises:
        ConfigError: as `launch_training`.
    """
    start_training(args, None if args.no_doctor else remarks_on)


def remarks_on(cfg: DictConfig) -> list[str]:
    """Errors and warnings of the doctor's quick checks, in one line each.

    Never raises, because a training does not depend on it.
    """
    try:
        files = [Path(data.json_file) for data in Subject(cfg).sets]
        if sum(file.stat().st_size for file in files if file.is_file()) > _MOST_BYTES:
            return ["The data are too large to be examined before every training: tools/doctor.py does it"]
        found = [finding for finding in findings_of(cfg, quick=True) if finding.severity != "hint"]
    except Exception as e:
        return [f"The doctor could not examine this config: {type(e).__name__}: {first_line(e)}"]
    return [f"doctor: {f.message} [{f.code}], {f.where}. To do: {f.fix}" for f in found]
