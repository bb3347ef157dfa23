"""Names of the classes of YOLO's labels, from the files that its programs write beside them."""

from pathlib import Path

import yaml

from ...printable import first_line, shown
from ..errors import DataError
from .text import read_text

FILES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names")
_FOLDERS_ABOVE = 3  # number of parent folders in which these are searched


def files_of_names(labels: Path) -> list[Path]:
    """Files that may hold the class names of a folder of labels, in order of precedence."""
    folders = [labels, *labels.resolve().parents[:_FOLDERS_ABOVE]]
    return [folder / name for folder in folders for name in FILES]


def find_names(labels: Path) -> list[str]:
    """The names of the classes of a folder of labels, in the order of their numbers.

    Raises:
        DataError: if there is no such file, or it has no names.
    """
    for path in files_of_names(labels):
        if path.is_file():
            return _read_names(path)
    raise DataError(
        f"{shown(labels)} has no names of classes: put data.yaml or classes.txt beside it, or set classes "
        "(data.classes=[cat,dog] in the config of custom data)"
    )


def _read_names(path: Path) -> list[str]:
    if path.suffix == ".yaml":
        found = _names_of_yaml(path)
    else:
        found = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not found:
        raise DataError(f"{shown(path)} names no class: write the names in the order of their numbers, from 0")
    return found


def _names_of_yaml(path: Path) -> list[str]:
    try:
        content = yaml.safe_load(read_text(path))
        names = content["names"]
        found = [names[i] for i in range(len(names))]  # a list, or a mapping from 0
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as e:
        raise DataError(
            f"{shown(path)} has no list of names of classes ({type(e).__name__}: {first_line(e)}): write names: "
            "[cat, dog], or a mapping from 0"
        ) from e
    if isinstance(names, str) or any(isinstance(name, bool) for name in found):
        raise DataError(f"{shown(path)}: names is {shown(names)}: write a list, with yes, no, on and off in quotes")
    return [str(name) for name in found]
