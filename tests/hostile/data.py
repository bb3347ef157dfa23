"""Hostile and unlucky data: json files, boxes, images, inputs of predict, and names of categories."""

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.data import Metadata
from detectron2.structures import Boxes, Instances
from hostile.data_boxes import box_tries, perfect_ap
from hostile.data_images import bomb, encoded, image_tries, make_socket, ramp
from hostile.data_json import HEIGHT, WIDTH, changed, ensure, json_tries, load, write
from hostile.tries import Try
from PIL import Image

from retina_plugin.commands.predict import predict, read_image_ids
from retina_plugin.data import DataError
from retina_plugin.inference.images import find_images
from retina_plugin.inference.visualize import draw_detections, draw_ground_truth

INPUTS = "an image that fails does not take the results of the others"
NAMES = "names of categories and files are shown, whatever they contain"
HOSTILE_NAMES = {
    "one dollar": "cost in $",
    "two dollars": "$x$",
    "bad mathtext": r"$\frac{$",
    "an escaped dollar": r"\$5 and $x_",
    "a script": "<script>alert(1)</script>",
    "quotes": "\"'`",
    "a line break": "two\nlines",
    "a pipe": "a|b",
    "10,000 letters": "x" * 10_000,
    "an emoji": "\U0001f9eb cell \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "right to left": "\u05ea\u05d0 \u202ecell",
    "slashes": "a/b/loss",
    "percent and braces": "100%s {0} {x}",
    "markdown": "[x](http://e) **b** # h",
    "another script": "\u7ec6\u80de",
}


def tries() -> Iterator[Try]:
    yield from json_tries()
    yield from box_tries()
    yield from image_tries()
    yield from _input_tries()
    yield from _name_tries()


class _Detector:
    """Finds one object in the middle of every image."""

    def __init__(self, names: list[str] = ["cell"]) -> None:  # noqa: B006
        self.metadata = Metadata(name="stub", thing_classes=names, category_ids=list(range(1, len(names) + 1)))

    def __call__(self, image: np.ndarray) -> Instances:
        height, width = image.shape[:2]
        boxes = torch.tensor([[0.25 * width, 0.25 * height, 0.75 * width, 0.75 * height]])
        found = Instances((height, width), pred_boxes=Boxes(boxes), scores=torch.tensor([0.9]))
        found.pred_classes = torch.tensor([len(self.metadata.thing_classes) - 1])
        return found


def _good(path: Path) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save(path)


def _predict(folder: Path) -> None:
    try:
        predict(_Detector(), [str(folder / "in")], folder / "out")
    finally:
        found = json.loads((folder / "out" / "detections.json").read_text())
        kept = sorted(d["file_name"] for d in found if d["file_name"] in ("good1.png", "good2.png"))
        ensure(kept == ["good1.png", "good2.png"], kept)
        assert all((folder / "out" / name).stat().st_size for name in kept)


def _among_good(name: str, write: Callable[[Path], Any], refused: str | None, file_name: str = "bad.png") -> Try:
    def prepare(folder: Path) -> None:
        (folder / "in").mkdir()
        for good in ("good1.png", "good2.png"):
            _good(folder / "in" / good)
        write(folder / "in" / file_name)

    return Try(INPUTS, name, prepare, _predict, refused)


def _input_tries() -> Iterator[Try]:
    bad = "1 of 3 images: .*bad.png"
    yield _among_good("a bad image of 400 million pixels", lambda p: p.write_bytes(bomb(20_000)), bad)
    yield _among_good("a bad image of 160 million pixels", lambda p: p.write_bytes(bomb(12_650)), bad)
    yield _among_good("an empty image", lambda p: p.write_bytes(b""), bad)
    yield _among_good("a text", lambda p: p.write_text("no image"), bad)
    yield _among_good("a broken link", lambda p: p.symlink_to("nowhere"), bad)
    yield _among_good("a pipe", lambda p: os.mkfifo(p), None)
    yield _among_good("a device", lambda p: p.symlink_to("/dev/zero"), None)
    yield _among_good("a folder", lambda p: p.mkdir(), None)
    yield _among_good("a socket", make_socket, None)
    floats = Image.fromarray(ramp(255).astype(np.float32))
    yield _among_good("floating point", lambda p: p.write_bytes(encoded(floats, "TIFF")), bad)
    yield _among_good("1 x 1 pixel", lambda p: Image.new("RGB", (1, 1)).save(p), None)
    yield _among_good("1 x 2,000 pixels", lambda p: Image.new("RGB", (1, 2000)).save(p), None)
    for name, file in {
        "a line break": "a\nb.png",
        "an escape sequence": "a\x1b[31mb.png",
        "bytes that are not UTF-8": os.fsdecode(b"a\xff\xfeb.png"),
        "250 letters": "a" * 250 + ".png",
        "250 bytes in letters of two": "\u00e9" * 124 + ".png",
        "a pattern": "[a-z]*.png",
        "a leading dash": "--output.png",
    }.items():
        yield _among_good(f"a name with {name}", _good, None, file)
        yield _among_good(f"a bad image whose name has {name}", lambda p: p.write_bytes(b""), "1 of 3 images", file)
    yield _among_good("an image of the same stem", lambda p: Image.new("RGB", (9, 9)).save(p), None, "good1.jpg")
    for name, meet, refused in (
        (
            "vanishes",
            lambda folder: (folder / "in" / "mid.png").unlink(),
            "1 of 3 images: .*mid.png: it does not exist",
        ),
        ("is overwritten", lambda folder: (folder / "in" / "mid.png").write_bytes(b""), "mid.png: it is empty"),
        ("needs too much memory", _exhaust, "image .*good1.png: DefaultCPUAllocator"),
        ("makes the user stop", _interrupt, "stopped"),
    ):
        yield Try(INPUTS, f"an image that {name}", _three_good, partial(_predict_until, meet), refused)
    yield Try(INPUTS, "20 bad images", _many_bad, _predict, "20 of 22 images: .*and 15 more")

    def predict_into(name: str, output: str, refused: str) -> Try:
        def prepare(folder: Path) -> None:
            (folder / "in").mkdir()
            _good(folder / "in" / "a.png")
            (folder / "file").write_text("")

        def act(folder: Path) -> None:
            before = (folder / "in" / "a.png").read_bytes()
            try:
                predict(_Detector(), [str(folder / "in")], output.format(folder))
            finally:
                assert (folder / "in" / "a.png").read_bytes() == before, "the image is overwritten"

        return Try(INPUTS, name, prepare, act, refused)

    yield predict_into("an output that is a file", "{}/file", "cannot write into the folder .*file")
    yield predict_into("an output below a file", "{}/file/out", "cannot write into the folder .*file/out")
    yield predict_into("an output that nobody can write to", "/proc/out", "cannot write into the folder /proc")
    yield predict_into("an output over the images", "{}/in", "would overwrite an image")
    yield predict_into("an output over the images by another way", "{}/in/../in", "would overwrite an image")
    yield Try(
        INPUTS, "a named pipe", lambda f: os.mkfifo(f / "a.png"), lambda f: find_images([f"{f}/a.png"]), "not a regular"
    )
    yield Try(INPUTS, "a named device", lambda f: None, lambda f: find_images(["/dev/zero"]), "not a regular")
    yield Try(INPUTS, "a folder of pipes", lambda f: os.mkfifo(f / "a.png"), lambda f: find_images([str(f)]), "neither")
    for name, content, refused in (
        ("a pipe", os.mkfifo, "not a regular file"),
        ("no json", lambda p: p.write_text("{"), "is not json"),
        ("a list", lambda p: p.write_text("[]"), "'images' is not a list"),
        ("entries without id", lambda p: p.write_text('{"images": [{"file_name": "a"}]}'), "without 'id'"),
        (
            "one name twice",
            lambda p: p.write_text(json.dumps({"images": [{"id": i, "file_name": "a"} for i in (1, 2)]})),
            "image 2",
        ),
    ):
        yield Try(
            INPUTS,
            f"image ids from {name}",
            lambda f, c=content: c(f / "ids.json"),
            lambda f: read_image_ids(f / "ids.json"),
            refused,
        )
    yield Try(INPUTS, "two images of one id", _two_of_one_id, _predict_with_ids, "have the same image id, 7")


def _three_good(folder: Path) -> None:
    (folder / "in").mkdir()
    for name in ("a", "good1", "mid"):
        _good(folder / "in" / f"{name}.png")


def _exhaust(folder: Path) -> None:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9999999999 bytes")


def _interrupt(folder: Path) -> None:
    raise KeyboardInterrupt


def _predict_until(meet: Callable[[Path], Any], folder: Path) -> None:
    """`meet` happens while the second of three images is processed; detections of the first must be written."""

    class Detector(_Detector):
        calls = 0

        def __call__(self, image: np.ndarray) -> Instances:
            self.calls += 1
            if self.calls == 2:
                meet(folder)
            return super().__call__(image)

    try:
        predict(Detector(), [str(folder / "in")], folder / "out")
    except KeyboardInterrupt:
        raise DataError("stopped") from None
    finally:
        found = json.loads((folder / "out" / "detections.json").read_text())
        ensure(found and found[0]["file_name"] == "a.png", found)


def _many_bad(folder: Path) -> None:
    (folder / "in").mkdir()
    for i in range(20):
        (folder / "in" / f"{i}.png").write_bytes(b"")
    for i in (1, 2):
        _good(folder / "in" / f"good{i}.png")


def _two_of_one_id(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        _good(folder / name / "x.png")


def _predict_with_ids(folder: Path) -> None:
    predict(_Detector(), [str(folder / "a"), str(folder / "b")], folder / "out", image_ids={"x.png": 7})


def _name_tries() -> Iterator[Try]:
    def draw(folder: Path, name: str) -> None:
        content = changed("categories", 0, name=name)
        write(folder, content)
        image, (entry, *_) = np.zeros((HEIGHT, WIDTH, 3), np.uint8), load(folder)
        metadata = Metadata(name="drawn", thing_classes=[name, "dust"])
        drawn = draw_ground_truth(image, entry, metadata)
        assert drawn.shape[1] == 480 and drawn.max() > 0
        assert draw_detections(image, _Detector([name])(image), metadata).max() > 0

    for name, value in HOSTILE_NAMES.items():
        yield Try(NAMES, f"a drawing of a category named {name}", lambda f: None, lambda f, v=value: draw(f, v))
        yield Try(
            NAMES,
            f"an evaluation of a category named {name}",
            lambda f, v=value: write(f, changed("categories", 0, name=v)),
            _evaluate,
        )


def _evaluate(folder: Path) -> None:
    ensure(perfect_ap(folder) > 99.99, "a perfect detector has less than full marks")
