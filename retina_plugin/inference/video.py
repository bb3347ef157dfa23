"""Read videos and cameras frame by frame. Frames are (H, W, 3) BGR uint8, as from OpenCV."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ..data import DataError
from ..printable import shown

logger = logging.getLogger(__name__)
_CAMERA = "camera:"
_MOST_FRAMES = 1e9  # a larger number in a file is wrong
_HIGHEST_FPS = 1000.0
_DEFAULT_FPS = 25.0


class Frame(NamedTuple):
    """One frame, its index among all frames of the video, from 0, and its time in seconds from the first frame."""

    index: int
    seconds: float
    image: np.ndarray


class Video:
    """An open video file or camera, to be used in a `with` statement.

    Attributes:
        name: path or camera as the user gave it.
        is_camera: whether it is a camera, with frames in real time and no end.
        fps: frames per second that the file or camera states, or 25 if it states no usable value.
        num_frames: number of frames that a file states, an estimate for some formats; None if it states none.
    """

    def __init__(self, name: str) -> None:
        """Open a file, or camera 0 as "camera:0".

        Raises:
            DataError: if there is no such camera, if the file cannot be decoded, or if it has no frame.
        """
        self.name, self.is_camera = name, is_camera(name)
        with _quiet_opencv():
            self._capture = cv2.VideoCapture(_camera_number(name) if self.is_camera else name)
        if not self._capture.isOpened():
            raise DataError(_why_no_camera(name) if self.is_camera else _why_closed(name))
        self._start = time.monotonic()
        self.fps = self._read_fps()
        announced = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.num_frames = int(announced) if not self.is_camera and 0 < announced < _MOST_FRAMES else None
        if not self._capture.grab():
            self._capture.release()
            why = "is it in use by another program?" if self.is_camera else "it has none, or is damaged"
            raise DataError(f"{shown(name)} gives no frame: {why}")

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Frames 0, `every`, 2 * `every` and so on. Call it once only. Warns if a file ends early."""
        index, is_there = 0, True
        while is_there:
            if index % every == 0:
                is_decoded, image = self._capture.retrieve()
                if not is_decoded:
                    break
                yield Frame(index, self._seconds(index), image)
            is_there = self._capture.grab()
            index += 1
        if self.is_camera:
            logger.warning("%s gives no more frames", self.name)
        elif self.num_frames and index < self.num_frames - max(1, self.num_frames // 100):
            ends = "%s ends after %d of the %d frames that it announces: the rest is missing or damaged"
            logger.warning(ends, shown(self.name), index, self.num_frames)

    def _seconds(self, index: int) -> float:
        """The time of the last frame read: real time for a camera, else as stated in the file, else from the rate."""
        if self.is_camera:
            return round(time.monotonic() - self._start, 3)
        said = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return round(said if said > 0 else index / self.fps, 3)

    def _read_fps(self) -> float:
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        if math.isfinite(fps) and 0 < fps <= _HIGHEST_FPS:
            return fps
        if not self.is_camera:
            logger.warning("%s says no frames per second: %g are assumed", shown(self.name), _DEFAULT_FPS)
        return _DEFAULT_FPS


def is_camera(name: str) -> bool:
    """Whether an input names a camera, such as "camera:0", instead of files."""
    return name.startswith(_CAMERA)


def _camera_number(name: str) -> int:
    number = name.removeprefix(_CAMERA)
    if not number.isdecimal() or len(number) > 4:
        raise DataError(f"{shown(name)} names no camera: write its number, such as {_CAMERA}0")
    return int(number)


def _why_no_camera(name: str) -> str:
    there = ", ".join(_CAMERA + path.name.removeprefix("video") for path in sorted(Path("/dev").glob("video[0-9]*")))
    where = f"there are {there}, which may be in use" if there else "is it connected, and may you use it?"
    return f"{name} cannot be opened: {where}"


def _why_closed(name: str) -> str:
    if not Path(name).is_file():
        return f"video {shown(name)} does not exist"
    if not Path(name).stat().st_size:
        return f"cannot read video {shown(name)}: it is empty"
    return (
        f"cannot read video {shown(name)}: it is incomplete or damaged, or this OpenCV has no decoder for its format "
        "or codec: convert it to H.264, for example with ffmpeg"
    )


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's warnings, which name lines of its source; the errors raised here say the same."""
    logging_of_opencv = cv2.utils.logging
    before = logging_of_opencv.setLogLevel(logging_of_opencv.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging_of_opencv.setLogLevel(before)
