"""Archives of strangers: what is around the pickles."""

import json
import os
import struct
import warnings
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .tries import Try
from .weights_pickles import read


def tries() -> Iterator[Try]:
    """All tries with archives."""
    yield from _archives()
    yield from _safetensors()
    yield from _legacy()


def _archives() -> Iterator[Try]:
    group = "damaged and crafted archives are refused"
    for name, (write, reason) in {
        "compressed tensors": (partial(_zip, how=zipfile.ZIP_DEFLATED), "record x/data.pkl is damaged, compressed"),
        "tensors compressed in another way": (partial(_zip, how=zipfile.ZIP_LZMA), "damaged, compressed"),
        "an encrypted record": (partial(_change_directory, at=8, to=b"\x01\x00"), "damaged, compressed or encrypted"),
        "a size of four gigabytes": (
            partial(_change_directory, at=20, to=b"\xf0\xff\xff\xff" * 2),
            "its size is wrong",
        ),
        "two sizes": (partial(_change_directory, at=24, to=struct.pack("<I", 5)), "its size is wrong"),
        "a record that is a folder": (partial(_change_directory, at=38, to=b"\x10"), "is damaged"),
        "another checksum": (partial(_change_directory, at=16, to=b"abcd"), "its checksum does not match"),
        "a record outside the file": (partial(_change_directory, at=42, to=b"\xff\xff\xff\x7f"), "its size is wrong"),
        "a version that does not exist": (partial(_change_directory, at=6, to=b"\xff\x00"), "version"),
        "records that overlap": (_overlap, "its size is wrong|overlaps"),
        "a thousand records of one place": (_quine, "its size is wrong|several records have one name"),
        "two records of one name": (_twice, "several records have one name"),
        "a directory of 200,000 records": (_many, r"its directory of records has \d+ bytes"),
        "no pickle": (partial(_zip, without="data.pkl"), "it has no record data.pkl"),
        "no storage": (partial(_zip, without="data/0"), "it has no record data/0"),
        "a file that begins like an archive": (lambda f: (f / "x.pth").write_bytes(b"PK\x03\x04" * 9), "not a zip"),
        "an empty archive": (lambda f: zipfile.ZipFile(f / "x.pth", "w").close(), "cannot be read"),
        "a name that clears the terminal": (partial(_zip, how=8, prefix="\x1b[2J/"), r"record \\x1b\[2J/"),
        "numbers of another machine": (partial(_zip, byteorder=b"big"), "have byte order b'big'"),
        "a byte order of a megabyte": (partial(_zip, byteorder=b"\x1b" * 10**6), "have byte order"),
        "a program": (partial(_zip, **{"constants.pkl": b"N."}), "TorchScript program"),
        "a local name longer than the file": (_long_name, "overlaps the next one"),
        "an archive that is cut off": (partial(_cut, 0.9), "not a zip file"),
        "an archive of which the middle is missing": (_without_middle, "cannot be read"),
        "an empty file": (lambda f: (f / "x.pth").write_bytes(b""), "ends too early"),
        "a page of a web server": (lambda f: (f / "x.pkl").write_text("<html>404</html>"), "instruction 0x3c"),
        "a picture": (lambda f: (f / "x.pth").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)), "cannot be read"),
        "zeros": (lambda f: (f / "x.pth").write_bytes(bytes(10**6)), "instruction 0x00"),
        "a file of a gigabyte without content": (_sparse, "header has|header would|cannot be read"),
        "a pipe": (_pipe, "does not exist, or is not a file"),
        "a folder": (lambda f: (f / "x.pth").mkdir(), "does not exist, or is not a file"),
        "a link to itself": (lambda f: (f / "x.pth").symlink_to("x.pth"), "does not exist|symbolic links"),
    }.items():
        yield Try(group, name, write, read, f"^checkpoint .*x.p.* .*({reason})|^checkpoint .*x.safetensors .*{reason}")


def _zip(folder: Path, how: int = zipfile.ZIP_STORED, prefix: str = "x/", without: str = "", **records: bytes) -> None:
    """A file as torch.save writes it, with something else in some of its records."""
    torch.save({"w": torch.arange(4.0)}, folder / "x.pth")
    with zipfile.ZipFile(folder / "x.pth") as archive:
        known = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "x.pth", "w", how) as archive:
        for name, content in (known | records).items():
            if name != without:
                archive.writestr(prefix + name, content)


def _change_directory(folder: Path, at: int, to: bytes) -> None:
    """Write `to` into the entry of the directory that is about the record data/0."""
    _zip(folder)
    data = bytearray((folder / "x.pth").read_bytes())
    start = data.rindex(b"x/data/0") - 46 + at
    data[start : start + len(to)] = to
    (folder / "x.pth").write_bytes(data)


def _overlap(folder: Path) -> None:
    """data/0 begins where data.pkl does."""
    _zip(folder)
    data = bytearray((folder / "x.pth").read_bytes())
    pkl, tensor_entry = data.rindex(b"x/data.pkl") - 4, data.rindex(b"x/data/0") - 4
    data[tensor_entry : tensor_entry + 4] = data[pkl : pkl + 4]
    (folder / "x.pth").write_bytes(data)


def _quine(folder: Path) -> None:
    """A directory in which a thousand names stand for one record."""
    content = bytes(10**6)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, len(content), len(content), 3, 0) + b"x/0" + content
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, len(content), len(content), 8, 0, 0, 0, 0, 0, 0
    )
    directory = b"".join(entry + b"x/%06d" % i for i in range(1000))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1000, 1000, len(directory), len(local), 0)
    (folder / "x.pth").write_bytes(local + directory + end)


def _twice(folder: Path) -> None:
    _zip(folder)
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "x.pth", "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("y/data.pkl", b"N.")


def _many(folder: Path) -> None:
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"x/%06d" % i for i in range(200_000))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 9, 9, len(directory), 4, 0)
    (folder / "x.pth").write_bytes(b"PK\3\4" + directory + end)


def _long_name(folder: Path) -> None:
    _zip(folder)
    data = bytearray((folder / "x.pth").read_bytes())
    start = data.index(b"x/data/0") - 4
    data[start : start + 2] = b"\xff\xff"
    (folder / "x.pth").write_bytes(data)


def _cut(share: float, folder: Path) -> None:
    _zip(folder)
    data = (folder / "x.pth").read_bytes()
    (folder / "x.pth").write_bytes(data[: int(len(data) * share)])


def _without_middle(folder: Path) -> None:
    _zip(folder)
    data = (folder / "x.pth").read_bytes()
    (folder / "x.pth").write_bytes(data[:100] + data[200:])


def _sparse(folder: Path) -> None:
    with (folder / "x.safetensors").open("wb") as f:
        f.write(struct.pack("<Q", 10**8))
        f.truncate(10**9)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "x.pth")


def _safetensors() -> Iterator[Try]:
    group = "damaged and crafted archives are refused"
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for name, (header, reason) in {
        "a header of an exabyte": ((2**60, b"{}"), "header would be longer than the file"),
        "a header of a negative size": ((2**64 - 1, b"{}"), "header would be longer than the file"),
        "a header that is a list": (b"[]", "cannot be read"),
        "a header of deep lists": (b"[" * 10**6, "cannot be read"),
        "a header that is no json": (b"\xff\x1b[2J", "cannot be read"),
        "an eight-bit dtype": (
            {"w": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}},
            "w has dtype|cannot be",
        ),
        "a four-bit dtype": (
            {"w": {"dtype": "F4", "shape": [16], "data_offsets": [0, 8]}},
            "w has dtype|cannot be read",
        ),
        "an unknown dtype": ({"w": entry | {"dtype": "\x1b[2J"}}, "cannot be read"),
        "a shape that does not fit": ({"w": entry | {"shape": [2**62]}}, "cannot be read"),
        "a shape whose product is too large": ({"w": entry | {"shape": [2**40] * 9}}, "cannot be read"),
        "a negative shape": ({"w": entry | {"shape": [-2]}}, "cannot be read"),
        "offsets beyond the file": ({"w": entry | {"shape": [9], "data_offsets": [0, 36]}}, "cannot be read"),
        "tensors that overlap": ({"v": entry, "w": entry}, "cannot be read"),
        "metadata that are numbers": ({"__metadata__": {"x": 1}, "w": entry}, "cannot be read"),
        "another checksum": ({"__metadata__": {"sha256_of_tensors": "\x1b[2J"}, "w": entry}, "checksum does not match"),
        "no tensors": ({}, "cannot be read|holds no weights"),
        "a tensor whose name clears the terminal": ({"\x1b[2J": entry}, r"'\\x1b\[2J' is not the name"),
    }.items():
        write = partial(write_header, header)
        yield Try(group, f"{name}, .safetensors", write, read, rf"^checkpoint .*x\.safetensors .*({reason})")


def write_header(header: Any, folder: Path, data: bytes = bytes(8)) -> None:
    """A file of safetensors with that header, which may also be bytes, or a wrong length and bytes."""
    header = json.dumps(header).encode() if isinstance(header, dict) else header
    size, header = header if isinstance(header, tuple) else (len(header), header)
    (folder / "x.safetensors").write_bytes(struct.pack("<Q", size) + header + data)


def _legacy() -> Iterator[Try]:
    group = "damaged and crafted archives are refused"
    for name, (old, new, reason) in {
        "a storage of a terabyte": (b"K\x04Nt", b"\x8a\x06\0\0\0\0\0\1Nt", "larger than the file"),
        "a storage of fewer elements": (b"K\x04Nt", b"K\x03Nt", "cannot be read"),
        "a storage of a negative number": (b"K\x04Nt", b"J\xff\xff\xff\xffNt", "has -1 elements"),
        "a part outside its storage": (b"K\x04Nt", b"K\x04(K\x01K\x00K\x09tt", "lies outside"),
        "a part that is a string": (b"K\x04Nt", b"K\x04X\1\0\0\0xt", "cannot be read"),
        "another protocol": (b"M\xe9\x03.", b"M\xea\x03.", "it has protocol 1002"),
        "numbers of another machine": (b"little_endianq\x02\x88", b"little_endianq\x02\x89", "another byte order"),
        "no keys of storages": (b"\x80\x02]q\x00X", b"\x80\x02].\x80\x02]X", "lacks storage"),
        "a module": (b"X\x07\x00\x00\x00storage", b"X\x06\x00\x00\x00module", "something else than the storage"),
    }.items():
        yield Try(
            group, f"{name}, old .pth", partial(_change_legacy, old, new), read, rf"^checkpoint .*x\.pth .*{reason}"
        )


def _change_legacy(old: bytes, new: bytes, folder: Path) -> None:
    torch.save({"w": torch.arange(4.0)}, folder / "x.pth", _use_new_zipfile_serialization=False)
    data = (folder / "x.pth").read_bytes()
    assert old in data, "the file of torch has other bytes"
    (folder / "x.pth").write_bytes(data.replace(old, new, 1))
