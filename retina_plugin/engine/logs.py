"""Logging to the terminal and into run folders."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

_LOGGERS = ("retina_plugin", "detectron2", "fvcore")


def log_to_terminal() -> None:
    """Detectron2's log format for this package too, on the main process only, without warnings nobody can act on."""
    for message in ("torch.meshgrid", "The given NumPy array is not writable"):
        warnings.filterwarnings("ignore", message=message)
    for name in _LOGGERS:
        setup_logger(distributed_rank=comm.get_rank(), name=name)


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Append the log to `path` while in the context, on the main process only.

    Two runs in one process so have a log each.
    """
    if not comm.is_main_process():
        yield
        return
    handler = logging.FileHandler(path)
    handler.setFormatter(
        logging.Formatter("[%(asctime)s] %(name)s %(levelname)s: %(message)s", "%m/%d %H:%M:%S")
    )
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
