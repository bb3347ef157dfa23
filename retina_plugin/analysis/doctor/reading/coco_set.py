"""A data set as the checks read it: its entries in columns, even if the loader refuses its json."""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from ....data import DataError, dataset_metadata
from ....data.coco import coco_loader
from ....data.json_file import read_json
from ....printable import first_line, shown
from .entries import dicts_as_coco, is_usable_annotation, is_usable_image
from .image_facts import Header, Pixels, evenly, read_header, read_pixels

MOST_HEADERS, MOST_PIXELS = 5000, 500  # most images of a data set whose header, or whose pixels, are read
_KEYS = ("images", "annotations", "categories")


class CocoSet:
    """A registered data set. Unusable entries are left out, so that the others can be examined.

    Attributes:
        name: in Detectron2's catalogs.
        json_file: path of the json, or the name of the data set if it has no json.
        source: the file or folder that its author knows: the json, or the labels of another format that it is made of.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        known = MetadataCatalog.get(name).as_dict() if name in DatasetCatalog.list() else {}
        self.json_file = str(known.get("json_file", name))
        self.source = str(known.get("labels", self.json_file))
        self._has_json = "json_file" in known
        self._root, self._allow_outside = str(known.get("image_root", "")), known.get("allow_outside")

    @cached_property
    def dicts(self) -> list[dict[str, Any]]:
        """Detectron2's dataset dicts; raises DataError if the data are refused."""
        try:
            dataset_metadata(self.name)
            return DatasetCatalog.get(self.name)
        except DataError:
            raise
        except (OSError, LookupError, TypeError, AssertionError) as e:  # from loaders of other packages
            code = "json-missing" if isinstance(e, FileNotFoundError) else "data-unusable"
            message = f"{shown(self.json_file)} cannot be loaded: {type(e).__name__}: {first_line(e)}"
            raise DataError(message, code) from e

    @cached_property
    def refused(self) -> DataError | None:
        """Why the data cannot be loaded, or None."""
        try:
            loader = coco_loader(self.name)
            if loader and Path(self.json_file).is_file():
                loader.check(self._read)
            else:
                self.dicts  # noqa: B018 - only Detectron2 knows what is wrong
        except DataError as e:
            return e
        return None

    @cached_property
    def _read(self) -> Any:
        return read_json(self.json_file) if self._has_json else dicts_as_coco(self.dicts, self.name)

    @cached_property
    def content(self) -> dict[str, list[Any]]:
        """The lists images, annotations and categories without entries that are no mappings; empty if unreadable."""
        try:
            found = self._read
        except DataError:
            found = None
        lists = {key: found.get(key) if isinstance(found, dict) else [] for key in _KEYS}
        return {k: [e for e in v if isinstance(e, dict)] if isinstance(v, list) else [] for k, v in lists.items()}

    @cached_property
    def categories(self) -> dict[int, str]:
        """Category names by id, sorted by id, which is the order of the labels."""
        valid = {c["id"]: str(c.get("name", "")) for c in self.content["categories"] if type(c.get("id")) is int}
        return dict(sorted(valid.items()))

    @cached_property
    def images(self) -> list[dict[str, Any]]:
        """Entries of images with an id, a size, and a name in the image folder."""
        return [i for i in self.content["images"] if is_usable_image(i, self._allow_outside is not False)]

    @cached_property
    def paths(self) -> list[Path]:
        """The file of every image."""
        return [Path(self._root, image["file_name"]) for image in self.images]

    def folder_of(self, place: int) -> Path | None:
        """The folder that has the image at index `place`: the image folder's parent or a subfolder; None if neither."""
        root, name = Path(self._root), self.images[place]["file_name"]
        folders = [root.parent, *sorted(path for path in root.iterdir() if path.is_dir())] if root.is_dir() else []
        return next((folder for folder in folders if Path(folder, name).is_file()), None)

    @cached_property
    def annotations(self) -> list[dict[str, Any]]:
        """Entries of annotations of a known image and category, with a box of four finite numbers."""
        annotations = self.content["annotations"]
        return [a for a in annotations if is_usable_annotation(a, self.places, self.categories)]

    @cached_property
    def places(self) -> dict[Any, int]:
        """Index in `images` by image id."""
        return {image["id"]: place for place, image in enumerate(self.images)}

    @cached_property
    def boxes(self) -> np.ndarray:
        """(N, 4) x, y, width and height in pixels of all annotations."""
        return np.array([a["bbox"] for a in self.annotations], float).reshape(-1, 4)

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) class indices of all annotations."""
        order = {category: label for label, category in enumerate(self.categories)}
        return np.array([order[a["category_id"]] for a in self.annotations], int)

    @cached_property
    def image_index(self) -> np.ndarray:
        """(N,) index in `images` of each annotation's image."""
        return np.array([self.places[a["image_id"]] for a in self.annotations], int)

    @cached_property
    def sizes(self) -> np.ndarray:
        """(N, 2) width and height of each annotation's image."""
        sizes = np.array([[image["width"], image["height"]] for image in self.images], float).reshape(-1, 2)
        return sizes[self.image_index]

    @cached_property
    def is_crowd(self) -> np.ndarray:
        """(N,) bool, whether an annotation is a crowd, which is no ground truth in training."""
        return np.array([bool(a.get("iscrowd", 0)) for a in self.annotations], bool)

    @cached_property
    def headers(self) -> dict[int, Header | str]:
        """By index in `images`: the headers of up to `MOST_HEADERS` files, or why they cannot be read."""
        return {place: read_header(self.paths[place]) for place in evenly(self.there, MOST_HEADERS)}

    @cached_property
    def pixels(self) -> dict[int, Pixels | str]:
        """By index in `images`: the pixels of up to `MOST_PIXELS` files, or why they cannot be read."""
        places = evenly(self.there, MOST_PIXELS)
        with ThreadPoolExecutor() as threads:  # decoding and hashing release the GIL
            return dict(zip(places, threads.map(read_pixels, [self.paths[place] for place in places]), strict=True))

    @cached_property
    def there(self) -> list[int]:
        """Indices in `images` whose file exists."""
        return [place for place, path in enumerate(self.paths) if path.is_file()]
