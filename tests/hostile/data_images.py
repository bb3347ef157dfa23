"""Images of every depth and kind, and files that are none."""

import os
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data.transforms import ResizeShortestEdge
from hostile.data_json import HEIGHT, WIDTH, ensure
from hostile.tries import Try
from PIL import Image

from retina_plugin.data import CheckedDatasetMapper

IMAGES = "images are read with their full range, or refused by name"


def read(path: Path, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) RGB as training gets it."""
    mapper = CheckedDatasetMapper(is_train=False, augmentations=[], image_format="RGB")
    entry = {"file_name": str(path), "image_id": 1, "width": width, "height": height}
    return mapper(entry)["image"].permute(1, 2, 0).numpy()


def ramp(largest: int) -> np.ndarray:
    """(48, 64) values from 0 to `largest`."""
    return np.linspace(0, largest, HEIGHT * WIDTH).round().reshape(HEIGHT, WIDTH)


def png16(pixels: np.ndarray) -> bytes:
    """A PNG with 16 bits per channel, of (H, W) or (H, W, C) values."""
    height, width = pixels.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.size // (height * width)]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return _png(struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0), zlib.compress(rows))


def _png(header: bytes, data: bytes) -> bytes:
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def encoded(image: Image.Image, format: str, **kwargs: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **kwargs)
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """A small PNG of side x side black pixels, whose data end early."""
    return _png(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), zlib.compress(b"\0" * 10_000_000))


def image_tries() -> Iterator[Try]:
    def show(name: str, data: bytes, expected: np.ndarray, tolerance: int = 0, suffix: str = "png") -> Try:
        def act(folder: Path) -> None:
            found = read(folder / f"a.{suffix}").astype(int)
            worst = np.abs(found - expected.reshape(HEIGHT, WIDTH, -1)).max()
            ensure(worst <= tolerance, f"{worst} grey levels off")

        return Try(IMAGES, name, lambda f: (f / f"a.{suffix}").write_bytes(data), act)

    def refuse(name: str, data: Any, message: str = "", width: int = WIDTH) -> Try:
        def prepare(folder: Path) -> None:
            data(folder / "a.png") if callable(data) else (folder / "a.png").write_bytes(data)

        return Try(IMAGES, name, prepare, lambda f: read(f / "a.png", width), rf"a\.png.*{message}")

    grey, wide = ramp(255), ramp(65535)
    full = (wide / 257).round()
    yield show("16-bit grey PNG", png16(wide), full)
    yield show("16-bit PNG with alpha", png16(np.stack([wide, wide], -1)), full, 1)
    yield show("16-bit RGB PNG", png16(np.stack([wide] * 3, -1)), full, 1)
    yield show("16-bit RGBA PNG", png16(np.stack([wide] * 4, -1)), full, 1)
    yield show("16-bit black", png16(wide * 0), full * 0)
    yield show("16-bit white", png16(wide * 0 + 65535), full * 0 + 255)
    yield show("12 bits in 16-bit PNG", png16(ramp(4095)), (ramp(4095) / 257).round())
    as16 = Image.fromarray(wide.astype(np.uint16))
    yield show("16-bit TIFF", encoded(as16, "TIFF"), full, suffix="tif")
    yield show("16-bit big-endian TIFF", encoded(Image.fromarray(wide.astype(">u2")), "TIFF"), full, suffix="tif")
    yield show("16-bit TIFF compressed", encoded(as16, "TIFF", compression="tiff_lzw"), full, suffix="tif")
    for bits in (10, 12, 14):
        data = encoded(Image.fromarray(ramp(2**bits - 1).astype(np.uint16)), "TIFF", tiffinfo={281: 2**bits - 1})
        yield show(f"TIFF that says {bits} bits", data, (ramp(2**bits - 1) * 255 / (2**bits - 1)).round(), 1, "tif")
    data = encoded(as16, "TIFF", tiffinfo={281: 4095})
    yield show("TIFF with values above what it says", data, full, suffix="tif")
    data = encoded(as16, "TIFF", tiffinfo={262: 0})
    yield show("16-bit TIFF with white 0", data, 255 - full, suffix="tif")
    yield show("16-bit PGM", b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + wide.astype(">u2").tobytes(), full, suffix="pgm")
    yield show("8-bit grey", encoded(Image.fromarray(grey.astype(np.uint8)), "PNG"), grey)
    yield show("1 bit", encoded(Image.fromarray(grey > 99), "PNG"), 255 * (grey > 99))
    colour = np.stack([grey, 255 - grey, grey // 2], -1).astype(np.uint8)
    palette = Image.fromarray(colour).quantize(16)
    yield show("palette", encoded(palette, "PNG"), np.asarray(palette.convert("RGB")).astype(int))
    yield show(
        "palette with transparency",
        encoded(palette, "PNG", transparency=3),
        np.asarray(palette.convert("RGB")).astype(int),
    )
    for mode in ("LA", "RGBA", "CMYK"):
        image = Image.fromarray(colour).convert(mode)
        expected = np.asarray(image.convert("RGB")).astype(int)
        yield show(mode, encoded(image, "TIFF"), expected, suffix="tif")
    yield show(
        "transparent pixels keep their colour",
        encoded(Image.fromarray(np.dstack([colour, grey.astype(np.uint8) * 0])), "PNG"),
        colour.astype(int),
    )
    rotated = Image.fromarray(colour).transpose(Image.Transpose.ROTATE_180)
    exif = Image.Exif()
    exif[274] = 3
    yield show("rotated by EXIF", encoded(rotated, "PNG", exif=exif), colour.astype(int))
    turned = Image.fromarray(np.rot90(wide.astype(np.uint16), 2).copy())
    yield show("16-bit, rotated by EXIF", encoded(turned, "PNG", exif=exif), full)
    frames = [Image.fromarray(colour), Image.new("RGB", (WIDTH, HEIGHT))]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:], lossless=True)
        expected = np.asarray(Image.open(BytesIO(data)).convert("RGB")).astype(int)
        yield show(f"animated {format}", data, expected, suffix=format.lower())
    yield refuse("floating point", encoded(Image.fromarray(grey.astype(np.float32)), "TIFF"), "floating point.*convert")
    yield refuse(
        "32-bit integers", encoded(Image.fromarray(wide.astype(np.int32)), "TIFF"), "more than 16 bits.*convert"
    )
    png = encoded(Image.fromarray(np.random.RandomState(0).randint(0, 255, (HEIGHT, WIDTH, 3), np.uint8)), "PNG")
    jpeg = encoded(Image.fromarray(colour), "JPEG")
    yield refuse("0 bytes", b"", "it is empty")
    yield refuse("text", b"no image", "its format is unknown")
    yield refuse("HTML of a failed download", b"<!doctype html><title>404</title>", "its format is unknown")
    yield refuse("a PNG of half its bytes", png[: len(png) // 2])
    yield refuse("a JPEG of half its bytes", jpeg[: len(jpeg) // 2])
    yield refuse("only a header", png[:33])
    yield refuse("0 x 0 pixels", _png(struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0), b""))
    yield refuse("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "its format is unknown")
    yield refuse("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n(/etc/passwd) run\n")
    yield refuse("400 million pixels", bomb(20_000), "decompression bomb|exceeds limit")
    yield refuse("160 million pixels in 1 GB", bomb(12_650))
    yield refuse("another size than its entry", png, "64 x 48 pixels, but its entry in the json says 63 x 48", 63)
    yield refuse("missing", lambda path: None, "it does not exist")
    yield refuse("a folder", lambda path: path.mkdir(), "not a regular file")
    yield refuse("a pipe", lambda path: os.mkfifo(path), "not a regular file")
    yield refuse("a device", lambda path: path.symlink_to("/dev/zero"), "not a regular file")
    yield refuse("a socket", make_socket, "not a regular file")
    yield refuse("a link to itself", lambda path: path.symlink_to(path))
    for name, size in {"1 x 10,000": (1, 10_000), "10,000 x 1": (10_000, 1)}.items():
        thin = encoded(Image.new("RGB", size), "PNG")
        prepare = lambda f, data=thin: (f / "thin.png").write_bytes(data)  # noqa: E731
        yield Try(IMAGES, f"{name} pixels, resized", prepare, _resize, r"thin\.png cannot be resized")
    yield Try(IMAGES, "200 damaged images", _damaged, _read_damaged)


def _resize(folder: Path) -> None:
    resize = ResizeShortestEdge(320, max_size=640)
    mapper = CheckedDatasetMapper(is_train=False, augmentations=[resize], image_format="RGB")
    mapper({"file_name": str(folder / "thin.png"), "image_id": 1})


def make_socket(path: Path) -> None:
    os.chdir(path.parent)  # the path of a socket is short
    socket.socket(socket.AF_UNIX).bind(path.name)
    os.chdir("/")


def _damaged(folder: Path) -> None:
    """Images of several formats with some bytes changed."""
    rng, image = random.Random(0), Image.fromarray(np.random.RandomState(0).randint(0, 255, (48, 64, 3), np.uint8))
    for i in range(200):
        data = bytearray(encoded(image, ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")[i % 7]))
        for _ in range(rng.randint(1, 9)):
            data[rng.randrange(min(len(data), rng.choice((60, 10**6))))] = rng.randrange(256)
        (folder / f"{i}.png").write_bytes(data)


def _read_damaged(folder: Path) -> None:
    for path in folder.iterdir():
        try:
            read(path)
        except ValueError as e:
            assert path.name in str(e), e
