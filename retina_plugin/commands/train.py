"""Training with a short examination of its config and data before it begins, and a page about it at its end."""

import argparse
import logging
import os
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ..analysis.doctor.subject import Subject
from ..analysis.run_report import write_run_report
from ..config import load_config
from ..engine.cli import start_training
from ..engine.logs import log_to_terminal
from ..files import first_line
from ..run_folder import FINAL_CHECKPOINT, REPORT, find_weights
from .analysis.doctor import findings_of

logger = logging.getLogger(__name__)
_MOST_BYTES = 2**24  # of all json files together, which take about two seconds to examine


def train(args: argparse.Namespace) -> None:
    """Train or evaluate as the flags of `retina train` say; a training that comes to its end gets a page.

    Raises:
        ConfigError: as `launch_training`.
    """
    # before training, because a config file may change meanwhile
    cfg = load_config(args.config_file, args.opts) if _is_page_wanted(args) else {}
    start_training(args, None if args.no_doctor else remarks_on)
    if run_dir := OmegaConf.select(cfg, "train.output_dir") if cfg else None:
        write_page(run_dir)


def write_page(run_dir: str | Path) -> Path | None:
    """Write report.html into the folder of a finished run, from the detections that it saved; its path.

    Never raises, because the training has succeeded; a warning says what to do.
    """
    log_to_terminal()  # the training may have been in other processes
    page = Path(run_dir, REPORT)
    try:
        if find_weights(run_dir).name != FINAL_CHECKPOINT:
            return None  # it is to be continued
        write_run_report(run_dir, page, max_images=0, trust=["*"])
    except Exception as e:
        reason = f"{type(e).__name__}: {first_line(e)}"
        logger.warning("The page of this run is not written: %s. `retina report %s` tries again", reason, run_dir)
        return None
    logger.info("The page of this run is %s", page)
    return page


def _is_page_wanted(args: argparse.Namespace) -> bool:
    """Whether this process, which starts a training or is one of several, writes its page."""
    return not (args.no_report or args.eval_only or args.machine_rank or int(os.environ.get("RANK", 0)))


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
