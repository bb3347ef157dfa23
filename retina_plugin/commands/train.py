"""Training with a short examination of its config and data before it begins."""

import argparse
import contextlib
import io
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ..analysis.doctor.subject import Subject
from ..engine import do_train
from ..engine.cli import start_training
from ..engine.hooks.progress_bar import ProgressBar
from ..engine.logs import log_to_files_only
from ..engine.output_folder import check_output_dir
from ..engine.reliability.allocator import keep_freed_memory
from ..engine.run_data import record_data
from ..files import first_line
from .analysis.doctor import findings_of

_MOST_BYTES = 2**24  # of all json files together, which take about two seconds to examine


def train(args: argparse.Namespace) -> None:
    """Train or evaluate as the flags of `retina train` say.

    Raises:
        ConfigError: as `launch_training`.
    """
    start_training(args, None if args.no_doctor else remarks_on)


def train_config(cfg: DictConfig, resume: bool = False) -> dict[str, Any]:
    """Train a config in this process, as from a notebook; the metrics of the last evaluation by task and name.

    A bar shows how far it is. Everything else that a training says, and what the doctor remarks, is in the log.txt of
    `cfg.train.output_dir`; an earlier run in that folder is moved aside, unless `resume` continues it. The config stays
    as it is. When the training is interrupted, it saves a checkpoint before this raises KeyboardInterrupt.

    Raises:
        ConfigError, DataError, OSError: for invalid input; the message names the key or the file.
    """
    cfg = cfg.copy()
    check_output_dir(cfg.train.output_dir)
    keep_freed_memory()
    log_to_files_only()
    record_data(cfg)
    remarks = () if resume else remarks_on(cfg.copy())
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # tables of metrics
            return do_train(cfg, resume, remarks, [ProgressBar(Path(cfg.train.output_dir).name)])
    except SystemExit:
        raise KeyboardInterrupt(
            "the training was interrupted; its checkpoint is saved: resume=True continues"
        ) from None


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
