"""Training, with a short examination of its config and data before, and a page about the run after it."""

import argparse
import contextlib
import io
import logging
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ..analysis.doctor.subject import Subject
from ..analysis.pasting import word
from ..config import load_config
from ..engine import do_train
from ..engine.cli import start_training
from ..engine.hooks.progress_bar import ProgressBar
from ..engine.logs import log_to_files_only, log_to_terminal
from ..engine.output_folder import check_output_dir
from ..engine.reliability.allocator import keep_freed_memory
from ..engine.run_data import record_data
from ..printable import first_line
from ..run_folder import FINAL_CHECKPOINT, find_weights
from .analysis.doctor import findings_of

logger = logging.getLogger(__name__)
_MOST_BYTES = 2**24  # of all json files together; examining these takes about two seconds


def train(args: argparse.Namespace) -> None:
    """Train or evaluate as the flags of `retina train` say; a finished training gets a page.

    Raises:
        ConfigError: as `launch_training`.
    """
    # read before training, because the config file may change meanwhile
    cfg = load_config(args.config_file, args.opts) if _is_page_wanted(args) else {}
    start_training(args, None if args.no_doctor else remarks_on)
    if run_dir := OmegaConf.select(cfg, "train.output_dir") if cfg else None:
        write_page(run_dir)


def write_page(run_dir: str | Path) -> Path | None:
    """Write report.html into the folder of a finished run, from its saved detections; returns its path.

    Returns None if the run is to be continued, or if the page cannot be written: the training has succeeded, so errors
    are logged as a warning.
    """
    from ..analysis.run_report import write_run_report  # late: the import takes time that no training needs

    log_to_terminal()  # the training may have been in other processes
    try:
        if find_weights(run_dir).name != FINAL_CHECKPOINT:
            return None  # it is to be continued
        page = write_run_report(run_dir, max_images=0, trust=["*"])
    except Exception as e:
        reason = f"{type(e).__name__}: {first_line(e)}"
        logger.warning("The page of this run is not written: %s. `retina report %s` tries again", reason, word(run_dir))
        return None
    logger.info("The page of this run is %s", page)
    return page


def _is_page_wanted(args: argparse.Namespace) -> bool:
    """Whether the flags ask for a page, and this process is the one of rank 0 that writes it."""
    return not (args.no_report or args.eval_only or args.machine_rank or int(os.environ.get("RANK", 0)))


def train_config(cfg: DictConfig, resume: bool = False) -> dict[str, Any]:
    """Train a config in this process, as from a notebook; returns the metrics of the last evaluation by task and name.

    A bar shows progress. All other output, with the doctor's remarks, goes to log.txt in `cfg.train.output_dir`; an
    earlier run in that folder is moved aside, unless `resume` continues it. `cfg` is not changed. An interrupted
    training saves a checkpoint before this raises KeyboardInterrupt.

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
    """Errors and warnings of the doctor's quick checks, one line each.

    Never raises: an error of the doctor becomes a line, since training does not depend on it.
    """
    try:
        files = [Path(data.json_file) for data in Subject(cfg).sets]
        if sum(file.stat().st_size for file in files if file.is_file()) > _MOST_BYTES:
            return ["The data are too large to be examined before every training: retina doctor does it"]
        found = [finding for finding in findings_of(cfg, quick=True) if finding.severity != "hint"]
    except Exception as e:
        return [f"The doctor could not examine this config: {type(e).__name__}: {first_line(e)}"]
    return [f"doctor: {f.message} [{f.code}], {f.where}. To do: {f.fix}" for f in found]
