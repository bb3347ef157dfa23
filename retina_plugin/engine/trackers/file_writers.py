"""Detectron2's writers to files of a run folder, with errors that name the file."""

from pathlib import Path
from typing import Any

from detectron2.utils.events import JSONWriter, TensorboardXWriter

from ...files import check_regular, naming


class _Named:
    """Mixin in front of a writer: an OSError names the file `_path` if metrics, maybe buffered, cannot be written."""

    _path: Path

    def write(self) -> None:
        with naming(self._path):
            super().write()  # type: ignore[misc]

    def close(self) -> None:
        with naming(self._path):
            super().close()  # type: ignore[misc]


class MetricsWriter(_Named, JSONWriter):
    """Overrides Detectron2's JSONWriter so that an error names the file, and so that no link is followed."""

    def __init__(self, path: Path) -> None:
        """`path` is the file to append to; raises OSError if it is a link or a folder, or cannot be opened."""
        check_regular(path)
        with naming(path):
            super().__init__(str(path))
        self._path = path


class TensorBoardWriter(_Named, TensorboardXWriter):
    """Overrides Detectron2's TensorboardXWriter so that an error names the event file, without its suffix."""

    def __init__(self, folder: Path, **arguments: Any) -> None:
        """`arguments` are those of torch's SummaryWriter."""
        super().__init__(str(folder), **arguments)
        self._path = folder / "events.out.tfevents"
