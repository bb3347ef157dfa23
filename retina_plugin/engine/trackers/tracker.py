"""Base class of the trackers."""

import importlib
import logging
import re
from collections import defaultdict
from pathlib import Path
from types import ModuleType

from detectron2.utils.events import EventWriter, get_event_storage

from ...config import ConfigError
from ...reading import read_name

logger = logging.getLogger(__name__)
_ID = re.compile(r"[\w.-]{0,128}")


class Tracker(EventWriter):
    """Sends every scalar once, smoothed as Detectron2's writers do. A tracker that fails does not stop the training."""

    _last_write = -1

    def write(self) -> None:
        """Send the scalars of iterations that have not been sent; a failure is logged."""
        new: dict[int, dict[str, float]] = defaultdict(dict)
        for name, (value, iteration) in get_event_storage().latest_with_smoothing_hint().items():
            if iteration > self._last_write:
                new[iteration][name] = value
        try:
            for iteration, scalars in sorted(new.items()):
                self._send(scalars, iteration)
                self._last_write = iteration
        except Exception as e:
            logger.warning("%s gets no scalars: %s", type(self).__name__, e)

    def close(self) -> None:
        """End the tracker's run; a failure is logged."""
        try:
            self._finish()
        except Exception as e:
            logger.warning("%s cannot end its run: %s", type(self).__name__, e)

    def _finish(self) -> None:
        raise NotImplementedError

    def _send(self, scalars: dict[str, float], iteration: int) -> None:
        raise NotImplementedError


def library(name: str) -> ModuleType:
    """Import an optional library; raises ConfigError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as e:
        raise ConfigError(f"train.{name} needs a library that is not installed: pip install {name}") from e


def known_id(path: Path) -> str | None:
    """The tracker's id of a resumed run; None for a new one."""
    return read_name(path, _ID) or None
