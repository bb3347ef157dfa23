"""Logging to the terminal and into run folders."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detectron2.utils import comm
from detectron2.utils.logger import setup_logger
from omegaconf.errors import OmegaConfBaseException
from torch.multiprocessing import ProcessRaisedException

_LOGGERS = ("retina_plugin", "detectron2", "fvcore")

EXPECTED_ERRORS = (ValueError, OSError, FloatingPointError, OmegaConfBaseException, ProcessRaisedException)
"""Errors that invalid input causes. Any other is a defect of the program and shows its traceback."""


def log_to_terminal() -> None:
    """Log in Detectron2's format, on the main process only, without warnings that users can do nothing about.

    An expected error is not shown here with its traceback: the command that fails prints its message.
    """
    for message in ("torch.meshgrid", "The given NumPy array is not writable"):
        warnings.filterwarnings("ignore", message=message)
    for name in _LOGGERS:
        for handler in setup_logger(distributed_rank=comm.get_rank(), name=name).handlers:
            handler.addFilter(_is_shown)


def show_tracebacks() -> bool:
    """Whether the environment asks for the traceback of expected errors: RETINA_PLUGIN_TRACEBACK=1."""
    return bool(os.environ.get("RETINA_PLUGIN_TRACEBACK"))


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Append the log to `path` while in the context, on the main process only."""
    if not comm.is_main_process():
        yield
        return
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(name)s %(levelname)s: %(message)s", "%m/%d %H:%M:%S"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


def _is_shown(record: logging.LogRecord) -> bool:
    error = record.exc_info and record.exc_info[1]
    return show_tracebacks() or not isinstance(error, EXPECTED_ERRORS)
