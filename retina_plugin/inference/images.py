"""Find, read and write image files."""

import glob
import logging
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

import cv2
import numpy as np

from ..data import DataError, read_image
from ..data.image_reader import IMAGE_SUFFIXES
from ..files import written_in_full
from ..printable import first_line, nearby, shown
from .video import is_camera

logger = logging.getLogger(__name__)
_VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp"}
_PATTERN = re.compile(r"[*?[]")
_LONGEST_STEM = 200  # bytes; file systems allow 255 for the name, which also has a suffix and perhaps a number


def find_images(inputs: Sequence[str]) -> list[Path]:
    """Image files named by `inputs`, which are files, folders or glob patterns, without repeats.

    Of a folder, warnings count the subfolders and the files of other formats, which are skipped. So are files that are
    not regular, such as pipes.

    Raises:
        DataError: for an input without images, or one that names a pipe or device.
    """
    return _find_files(inputs, IMAGE_SUFFIXES, "an image nor a folder with images")


def find_images_and_videos(inputs: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The images, as in `find_images`, and the videos that `inputs` name, in this order.

    A file is a video by its suffix; a camera, such as "camera:0", counts as a video.
    """
    cameras = [name for name in dict.fromkeys(inputs) if is_camera(name)]
    files = [name for name in inputs if not is_camera(name)]
    found = _find_files(files, IMAGE_SUFFIXES | _VIDEO_SUFFIXES, "an image or a video nor a folder with some")
    videos = [path for path in found if path.suffix.lower() in _VIDEO_SUFFIXES]
    return [path for path in found if path.suffix.lower() not in _VIDEO_SUFFIXES], [*map(str, videos), *cameras]


def _find_files(inputs: Sequence[str], suffixes: frozenset[str], what: str) -> list[Path]:
    found: dict[Path, None] = {}
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            paths = _regular(_of_folder(path, suffixes))
        elif os.path.lexists(path):
            paths = [path]
            if path.exists() and not path.is_file():
                raise DataError(f"{shown(path)} is not a regular file")
        else:
            paths = _regular(sorted(map(Path, glob.glob(name, recursive=True))))
            if not paths and not _PATTERN.search(name):
                raise DataError(f"{shown(name)} does not exist{nearby(name)}")
        if not paths:
            raise DataError(f"{shown(name)} is neither {what}, and matches no file")
        found.update(dict.fromkeys(paths))
    return list(found)


def _of_folder(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    """The files of a folder with these suffixes, with a warning about the others and about subfolders.

    Hidden ones are left out, as patterns do: macOS writes ._a.jpg beside a.jpg on foreign disks.
    """
    found, others, folders = [], [], []
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        kind = folders if path.is_dir() else found if path.suffix.lower() in suffixes else others
        kind.append(path)
    if others:
        how = "no suffix of a known format; name a file itself to have it read all the same"
        logger.warning("%s: skipped %s: %s", shown(folder), _counted(others, "file"), how)
    if folders:
        pattern = shlex.quote(f"{folder}/**/*.jpg")
        logger.warning("%s: skipped %s: %s finds what is in them", shown(folder), _counted(folders, "folder"), pattern)
    return found


def _counted(paths: Sequence[Path], what: str) -> str:
    """How many there are, with the name of the first."""
    number = f"{len(paths)} {what}s, such as" if len(paths) > 1 else f"1 {what},"
    return f"{number} {shown(paths[0].name)}"


def _regular(paths: Sequence[Path]) -> list[Path]:
    """Leave out folders, pipes and devices with a warning. Broken links stay; reading them raises an error."""
    for path in (skipped := [p for p in paths if p.exists() and not p.is_file()]):
        logger.warning("%s is skipped: it is not a regular file", shown(path))
    return [p for p in paths if p not in skipped]


def create_folder(output: str | Path) -> None:
    """Create a folder for drawings.

    Raises:
        OSError: if it cannot be created or written to.
    """
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
    except OSError as e:
        raise OSError(f"cannot write into the folder {shown(output)}: {e.strerror or first_line(e)}") from e


def check_file(path: str | Path) -> None:
    """Create the folder of a file that is written after long work.

    Raises:
        OSError: if the folder cannot be created or written to, or if `path` is a folder.
    """
    create_folder(Path(path).parent)
    if Path(path).is_dir():
        raise IsADirectoryError(f"cannot write {shown(path)}: it is a folder; name a file")


def drawing_paths(paths: Sequence[str | Path], output: str | Path) -> list[Path]:
    """The path of the drawing of every image: its `drawing_names` in the folder `output`, which is created.

    Raises:
        DataError: if a drawing would overwrite one of the images.
        OSError: if the folder cannot be created or written to.
    """
    create_folder(output)
    drawings = [Path(output, name) for name in drawing_names(paths)]
    images = {os.path.realpath(path) for path in paths}
    for drawing in drawings:
        if os.path.realpath(drawing) in images:
            raise DataError(f"the drawing {shown(drawing)} would overwrite an image: choose another output folder")
    return drawings


def drawing_names(paths: Sequence[str | Path]) -> list[str]:
    """A .png name for every image: its stem, followed by a number if an earlier image has the same name."""
    names: dict[str, None] = {}
    numbers: dict[str, Iterator[int]] = {}  # next number for each stem
    for stem in (_shortened(Path(path).stem) for path in paths):
        candidates = chain([f"{stem}.png"], (f"{stem}_{n}.png" for n in numbers.setdefault(stem, count(2))))
        names[next(name for name in candidates if name not in names)] = None
    return list(names)


def _shortened(stem: str) -> str:
    """A name of at most 200 bytes, cut between two characters."""
    name = os.fsencode(stem)
    return stem if len(name) <= _LONGEST_STEM else name[:_LONGEST_STEM].decode(errors="ignore")


def read_rgb(path: str | Path) -> np.ndarray:
    """An image as (H, W, 3) RGB uint8, read as in training; raises DataError like `read_image`."""
    return read_image(path, format="RGB")


def write_rgb(path: Path, image: np.ndarray) -> None:
    """Write an RGB image (H, W, 3) uint8, in full, in the format of the suffix; OSError if that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _, data = cv2.imencode(path.suffix, image[:, :, ::-1])
    except cv2.error as e:
        raise OSError(f"cannot write {shown(path)}: {first_line(e)}") from e
    with written_in_full(path) as partial:
        partial.write_bytes(data.tobytes())
