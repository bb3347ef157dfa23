"""Write a video, in full or not at all."""

import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np

from ..printable import shown

_CODEC = "mp4v"  # MPEG-4, which every OpenCV from PyPI can write


class VideoFile:
    """An .mp4 file of frames (H, W, 3) BGR uint8, to be used in a `with` statement.

    A temporary file is renamed to `path` when the context ends, even with an error, and replaces an earlier file.
    Without any frame nothing is written.
    """

    def __init__(self, path: Path, fps: float) -> None:
        """`fps` is the number of frames per second; above 65 it is rounded to what the format can store."""
        self._path, self._fps = path, _writable(fps)
        self._written = 0
        self._size = (0, 0)
        self._writer: cv2.VideoWriter | None = None
        self._last: np.ndarray | None = None

    def __enter__(self) -> "VideoFile":
        self._folder = Path(tempfile.mkdtemp(prefix=".video", dir=self._path.parent))
        self._partial = self._folder / self._path.name
        return self

    def write(self, image: np.ndarray, seconds: float | None = None) -> None:
        """Append a frame; with `seconds`, repeat the previous frame so that this one is shown from that time on.

        A frame for a time that is already filled is kept only for repeating. A frame of another size than the first is
        resized. Raises OSError if this OpenCV cannot write such a video.
        """
        if self._writer is None:
            self._writer = self._open(image)
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size)
        place = self._written if seconds is None else round(seconds * self._fps)
        while self._last is not None and self._written < place:
            self._append(self._last)
        if self._written <= place or self._last is None:
            self._append(image)
        self._last = image

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if self._writer is not None:
                self._writer.release()
                self._check()
                os.replace(self._partial, self._path)
        except OSError:
            if error is None:  # otherwise that error is the one to see
                raise
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self, image: np.ndarray) -> cv2.VideoWriter:
        self._size = image.shape[1], image.shape[0]
        writer = cv2.VideoWriter(str(self._partial), cv2.VideoWriter_fourcc(*_CODEC), self._fps, self._size)
        if not writer.isOpened():
            raise OSError(
                f"cannot write {shown(self._path)}: this OpenCV does not write {_CODEC} videos of {self._size[0]} x "
                f"{self._size[1]} pixels at {self._fps:g} frames per second. The opencv-python-headless of PyPI does"
            )
        return writer

    def _append(self, image: np.ndarray) -> None:
        self._writer.write(image)
        self._written += 1

    def _check(self) -> None:
        """Compare the number of frames in the file: OpenCV does not report write errors, such as a full disk."""
        reader = cv2.VideoCapture(str(self._partial))
        count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
        reader.release()
        if count != self._written:
            raise OSError(
                f"cannot write {shown(self._path)}: {self._written} frames, but {max(count, 0)} are there. "
                "Is the disk full?"
            )


def _writable(fps: float) -> float:
    """MPEG-4 stores frame rates a / b with a below 65,536; OpenCV takes a power of 10 for b and refuses other rates."""
    return fps if fps < 65 else round(fps, 2 if fps < 655 else 1)
