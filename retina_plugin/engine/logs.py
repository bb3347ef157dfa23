"""Logging to the terminal and into run folders, and the errors that are shown without a traceback."""

import contextlib
import locale
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detectron2.utils import comm
from detectron2.utils.logger import setup_logger
from omegaconf.errors import OmegaConfBaseException
from torch.multiprocessing import ProcessRaisedException

from ..files import open_to_append
from ..printable import first_line
from .reliability.memory_errors import is_out_of_memory

_LOGGERS = ("retina_plugin", "detectron2", "fvcore")

FILE_ONLY = {"file_only": True}
"""`extra` of messages that are too long for the terminal."""

EXPECTED_ERRORS = (ValueError, OSError, FloatingPointError, OmegaConfBaseException, ProcessRaisedException)
"""Errors that invalid input causes. Any other is a defect of the program and shows its traceback."""


def log_to_terminal() -> None:
    """Log in Detectron2's format, on the main process only, without warnings that users can do nothing about.

    Records that carry an expected error are left out: the failing command prints its message.
    """
    use_utf8()
    for message in ("torch.meshgrid", "The given NumPy array is not writable"):
        warnings.filterwarnings("ignore", message=message)
    for name in _LOGGERS:
        for handler in setup_logger(distributed_rank=comm.get_rank(), name=name).handlers:
            handler.addFilter(_is_shown)
            handler.handleError = _ignore_full_disk
    threading.excepthook = _report_thread


def log_to_files_only() -> None:
    """Log INFO and above to log files only. Warnings outside a training still appear on standard error."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)


def use_utf8() -> None:
    """Let this process read and write files as UTF-8 in any locale, also files that other packages open.

    Characters that a terminal cannot show are escaped.
    """
    if "utf" not in locale.getpreferredencoding(False).lower():
        with contextlib.suppress(locale.Error):  # where the system has no such locale
            locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def show_tracebacks() -> bool:
    """Whether the environment asks for the traceback of expected errors: RETINA_PLUGIN_TRACEBACK=1."""
    return bool(os.environ.get("RETINA_PLUGIN_TRACEBACK"))


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Append the log to `path` while in the context, on the main process only.

    Raises:
        OSError: naming `path`, if it cannot be written or is not a file.
    """
    if not comm.is_main_process():
        yield
        return
    handler = _FileHandler(path)
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


class _FileHandler(logging.StreamHandler):
    """Appends to a log file. After a failure, as on a full disk, it warns once and tries again with every message."""

    def __init__(self, path: Path) -> None:
        super().__init__(os.fdopen(open_to_append(path), "a", encoding="utf-8", errors="backslashreplace"))
        self._path, self._has_failed = path, False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._has_failed:
            self._has_failed = True
            with contextlib.suppress(OSError):
                print(f"warning: cannot write {self._path}: {first_line(error)}", file=sys.stderr)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # buffered lines cannot be written
            self.stream.close()
        super().close()


def _ignore_full_disk(record: logging.LogRecord) -> None:
    """Handle an error of a terminal's handler: output may be redirected to a full disk or a closed pipe.

    Logging from a signal handler that interrupts another message raises RuntimeError.
    """
    if not isinstance(sys.exc_info()[1], OSError | RuntimeError):
        logging.Handler.handleError(logging.Handler(), record)


def _report_thread(args: threading.ExceptHookArgs) -> None:
    """Warn in one line about a thread that cannot write, such as TensorBoard's; other errors show their traceback."""
    if isinstance(args.exc_value, OSError) and not show_tracebacks():
        logging.getLogger(__name__).warning("a background thread has failed: %s", first_line(args.exc_value))
    else:
        threading.__excepthook__(args)


def _is_shown(record: logging.LogRecord) -> bool:
    error = record.exc_info and record.exc_info[1]
    is_expected = isinstance(error, EXPECTED_ERRORS) or (error and is_out_of_memory(error))
    return not getattr(record, "file_only", False) and (show_tracebacks() or not is_expected)
