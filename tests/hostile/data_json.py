"""Hostile json files."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog
from hostile.tries import Try
from PIL import Image

from retina_plugin.data import register_coco

JSONS = "json files that are not COCO detection data are refused"
WIDTH, HEIGHT = 64, 48


def json_tries() -> Iterator[Try]:
    yield from _json_tries()
    yield from _entry_tries()


def ensure(holds: bool, message: Any) -> None:
    """Fail a try that must work. Unlike an assertion, it does not fail a try whose input was changed at random."""
    if not holds:
        raise ValueError(message)


def coco(count: int = 12, **changes: Any) -> dict[str, Any]:
    """Two images with sound boxes of two categories."""
    boxes = [[2 + 4 * (i % 9), 3 + 2 * (i % 11), 9, 8] for i in range(count)]
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in (1, 2)],
        "annotations": [
            {"id": i + 1, "image_id": i % 2 + 1, "category_id": i % 2 + 1, "bbox": box, "area": 72, "iscrowd": 0}
            for i, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "dust"}],
    }
    return content | changes


def changed(kind: str, place: int = 0, drop: str = "", **changes: Any) -> dict[str, Any]:
    """The same with other values in one entry."""
    content = coco()
    content[kind][place] |= changes
    content[kind][place].pop(drop, None)
    return content


def every(**changes: Any) -> dict[str, Any]:
    """The same with other values in all annotations; functions get the annotation."""
    content = coco()
    for a in content["annotations"]:
        a |= {key: value(a) if callable(value) else value for key, value in changes.items()}
    return content


def write(folder: Path, content: Any) -> None:
    (folder / "images").mkdir()
    path = folder / "instances.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif callable(content):
        content(path)
    else:
        path.write_text(json.dumps(content))
    for i in (1, 2):
        Image.new("RGB", (WIDTH, HEIGHT), (i, i, i)).save(folder / "images" / f"{i}.png")


def load(folder: Path, **kwargs: Any) -> list[dict[str, Any]]:
    name = register_coco(folder / "instances.json", folder / "images", **kwargs)
    return DatasetCatalog.get(name)


def load_try(name: str, content: Any, refused: str | None, group: str = JSONS) -> Try:
    return Try(group, name, lambda folder: write(folder, content), load, refused and rf"instances\.json.*{refused}")


def _json_tries() -> Iterator[Try]:
    good = json.dumps(coco()).encode()
    yield load_try("empty", b"", "is empty")
    yield load_try("white space", b" \n\t ", "is empty")
    yield load_try("cut in the middle", good[: len(good) // 2], "is not json")
    yield load_try("not json", b"\x89PNG\r\n", "UTF-8")
    yield load_try("null", b"null", "'images' is not a list")
    yield load_try("a number", b"3", "'images' is not a list")
    yield load_try("a string", b'"images annotations categories"', "'images' is not a list")
    yield load_try("a list", b"[]", "'images' is not a list")
    yield load_try("python", repr(coco()).encode(), "is not json")
    yield load_try("two documents", good + good, "is not json")
    yield load_try("comments", b"// json\n" + good, "is not json")
    yield load_try("a byte order mark", b"\xef\xbb\xbf" + good, "is not json.*BOM")
    yield load_try("UTF-16", good.decode().encode("utf-16"), "UTF-8")
    yield load_try("Latin-1", good.replace(b"cell", b"zelle \xe9"), "UTF-8")
    yield load_try("null bytes", good.replace(b"cell", b"ce\0ll"), "is not json")
    yield load_try("deeply nested list", b"[" * 200_000 + b"]" * 200_000, "nested too deeply")
    yield load_try("deeply nested mapping", b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "nested too deeply")
    yield load_try("nested in an entry", good.replace(b'"cell"', b"[" * 99_999 + b"]" * 99_999), "nested too deeply")
    for constant in (b"NaN", b"Infinity", b"-Infinity"):
        yield load_try(f"{constant.decode()} in a box", good.replace(b"[2, 3", b"[%s, 3" % constant), constant.decode())
    yield load_try("1e999 in a box", good.replace(b"[2, 3", b"[1e999, 3"), "instead of four finite numbers")
    yield load_try("a number of 5,000 digits", good.replace(b"[2, 3", b"[%s, 3" % (b"9" * 5000)), "cannot be read")
    yield load_try("a number of 400 digits", good.replace(b"[2, 3", b"[%s, 3" % (b"9" * 400)), "four finite numbers")
    yield load_try("lists twice", good[:-1] + b', "annotations": []}', "'annotations' appears twice")
    yield load_try("a box twice", good.replace(b'"area"', b'"bbox": [1, 1, 2, 2], "area"', 1), "'bbox' appears twice")
    yield load_try("a key with an escape sequence twice", b'{"\\u001b[31m": 1, "\\u001b[31m": 2}', r"appears twice")
    for key in ("images", "annotations", "categories"):
        yield load_try(f"{key} missing", {k: v for k, v in coco().items() if k != key}, f"has no key '{key}'")
        yield load_try(f"{key} a mapping", coco(**{key: {"1": coco()[key][0]}}), f"'{key}' is not a list")
        yield load_try(f"{key} of strings", coco(**{key: ["a", "b"]}), "must be a mapping.*such as a")
        yield load_try(f"null among {key}", coco(**{key: [*coco()[key], None]}), "must be a mapping.*such as None")
    yield load_try("no images", coco(images=[]), "lists no images")
    yield load_try("no categories", coco(categories=[]), "declares no categories")
    yield load_try("a folder", lambda path: path.mkdir(), "is a folder without labels")
    yield load_try("a pipe", lambda path: os.mkfifo(path), "is not a regular file")
    yield load_try("a device", lambda path: path.symlink_to("/dev/zero"), "is not a regular file")
    yield load_try("a broken link", lambda path: path.symlink_to("nowhere"), "does not exist")
    yield load_try("a link to itself", lambda path: path.symlink_to(path), "")


def _entry_tries() -> Iterator[Try]:
    for kind, entry in (("images", "image"), ("annotations", "annotation"), ("categories", "category")):
        for name, value in {"true": True, "1.0": 1.0, "a list": [1]}.items():
            yield load_try(f"{entry} id {name}", changed(kind, 0, id=value), f"{entry}.*which is not an integer")
        yield load_try(f"{entry} without id", changed(kind, 0, "id"), "without 'id'")
        yield load_try(f"{entry} id twice", changed(kind, 1, id=1), f"{entry} id 1 twice")
        yield load_try(f"{entry} id of 100 digits", changed(kind, 1, id=10**100), "which is not an integer")
    yield load_try("annotation id a string", changed("annotations", 3, id="a1"), "annotation a1 has id 'a1'")
    yield load_try("category id a string", changed("categories", 0, id="a1"), "category a1 has id 'a1'")
    yield load_try("image ids of two types", changed("images", 1, id="2"), "image 2 has id '2'")
    for key in ("category_id", "image_id"):
        for name, value in {"true": True, "a string": "1", "null": None, "77": 77}.items():
            yield load_try(
                f"{key} {name}", changed("annotations", 4, **{key: value}), f"annotation 5 has {key}.*declared"
            )
        yield load_try(f"without {key}", changed("annotations", 4, key), f"annotation 5 is an entry without '{key}'")
    for key, values in {
        "width": {"0": 0, "negative": -5, "a string": "64", "null": None, "true": True},
        "height": {"a half": 64.5, "1e999": math.inf, "null": None},
    }.items():
        for name, value in values.items():
            content = json.dumps(changed("images", 1, **{key: value})).replace("Infinity", "1e999").encode()
            yield load_try(f"{key} {name}", content, f"image 2 has {key}.*number of pixels")
    for name, value in {
        "a number": 5,
        "null": None,
        "a list": ["1.png"],
        "empty": "",
        "with a null byte": "a\0",
    }.items():
        yield load_try(
            f"file_name {name}", changed("images", 1, file_name=value), "image 2 has file_name.*not a file name"
        )
    for value in ("/etc/passwd", "../secret.png", "a/../../secret.png", "./../x.png", "..", "//x.png"):
        content = changed("images", 1, file_name=value)
        yield load_try(f"file_name {value}", content, "image 2 has file_name.*allow_outside=True")
    inside = changed("images", 1, file_name="a/../2..png")
    yield load_try("file_name with dots inside the folder", inside, None)
    outside = changed("images", 1, file_name="../images/1.png")
    yield Try(JSONS, "file_name outside, allowed", lambda f: write(f, outside), lambda f: load(f, allow_outside=True))
    for name, value in {"empty": "", "blank": "  ", "null": None, "a number": 5, "a list": ["a"]}.items():
        yield load_try(f"category name {name}", changed("categories", 1, name=value), "category 2 has name")
    for value in ("a\x1b[31mred", "bell\a", "\ud800", "x\x9b31m", "${oc.env:HOME}", "${", "???"):
        yield load_try(f"category name {value!a}", changed("categories", 1, name=value), "category 2 has name")
    for name, value in {"null": None, "1": 1, "a string": "0", "a half": 0.5}.items():
        yield load_try(f"ignore {name}", changed("annotations", 2, ignore=value), "annotation 3 is marked 'ignore'")
    for name, value in {"a number": 5, "a list of numbers": [5], "text": "abc"}.items():
        yield load_try(
            f"keypoints {name}",
            changed("annotations", 2, keypoints=value),
            None if name == "a list of numbers" else "cannot be read",
        )
    yield load_try(
        "segmentation a number", changed("annotations", 2, segmentation=7), "cannot be read by Detectron2: TypeError"
    )
    yield load_try(
        "segmentation RLE without size",
        changed("annotations", 2, segmentation={"counts": [1]}),
        "cannot be read by Detectron2",
    )
