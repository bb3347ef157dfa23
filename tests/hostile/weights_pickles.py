"""Pickles of strangers, written instruction by instruction."""

import struct
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from retina_plugin.weights import read_weights

from .tries import Try


def tries() -> Iterator[Try]:
    """All tries with pickles."""
    yield from _pickles("pickles that ask for endless work or memory are refused", ENDLESS)
    yield from _pickles("pickles that build more than weights are refused", CRAFTED)


DEEP = 200_000
TWICE = b")" + b"2\x86" * 64  # a tuple that holds a tuple twice, and so on: hash and repr need 2**64 steps
LISTS = b"]q\x05" + b"0](h\x05h\x05eq\x05" * 64  # the same of lists
ORDERED = b"ccollections\nOrderedDict\n"
SET = b"cbuiltins\nset\n"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
DEVICE = b"ctorch\ndevice\n"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    """An instruction that pushes a string."""
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    """An instruction that pushes an integer."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<I", len(data)) + data


def dtype(code: str, state: bytes = b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb") -> bytes:
    """Instructions for a dtype of numpy."""
    return b"cnumpy\ndtype\n" + text(code) + b"K\x00K\x01\x87R" + state


def array(shape: bytes, code: str = "f4", data: bytes = b"") -> bytes:
    """Instructions for an array of numpy; `shape` are those for its shape."""
    return ARRAY + b"(K\x01" + shape + dtype(code) + b"\x89B" + struct.pack("<I", len(data)) + data + b"tb"


def storage(key: bytes = b"X\x01\x00\x00\x000", count: bytes = b"K\x04", kind: str = "Float") -> bytes:
    """Instructions for a storage of torch; the files here have one of four floats, "0"."""
    return b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + key + text("cpu") + count + b"tQ"


def tensor(size: bytes, stride: bytes, offset: bytes = b"K\x00", of: bytes = b"", rest: bytes = b"\x89N") -> bytes:
    """Instructions for a tensor of torch."""
    return TENSOR + b"(" + (of or storage()) + offset + size + stride + rest + b"tR"


def named(value: bytes) -> bytes:
    """Instructions for a dict in which `value` is the weight w."""
    return b"}" + text("w") + value + b"s"


COLLIDING = b"".join(integer(k * (2**61 - 1)) + b"N" for k in range(1, 60_000))

# name: instructions, what the message says
ENDLESS: dict[str, tuple[bytes, str]] = {
    "tuples in one another as a key": (b"}" + TWICE + b"Ns", "a key or a member of a set is of type tuple"),
    "tuples in one another as keys": (b"}(" + TWICE + b"Nu", "a key or a member of a set is of type tuple"),
    "tuples in one another as a key of a dict at once": (b"(" + TWICE + b"Nd", "of type tuple"),
    "tuples in one another in a set": (b"\x8f(" + TWICE + b"\x90", "of type tuple"),
    "tuples in one another in a frozenset": (b"(" + TWICE + b"\x91", "of type tuple"),
    "tuples in one another in a called set": (SET + b"](" + TWICE + b"e\x85R", "of type tuple"),
    "tuples in one another in an OrderedDict": (ORDERED + b"](](" + TWICE + b"Nee\x85R", "of type tuple"),
    "frozensets as keys": (b"}(" + b"(K\x01\x91" + b"Nu", "of type frozenset"),
    "200,000 tuples in one another as a key": (b"})" + b"\x85" * DEEP + b"Ns", "of type tuple"),
    "200,000 tuples in one another": (named(b")" + b"\x85" * DEEP), "nested over 100 deep"),
    "200,000 lists in one another": (named(b"]" * DEEP + b"a" * (DEEP - 1)), "nested over 100 deep"),
    "many dicts in one another": (named((b"}" + text("a")) * 99_999 + b"N" + b"s" * 99_999), "100 deep"),
    "OrderedDicts in one another": (
        named((ORDERED + b")R" + text("a")) * 500 + b"N" + b"s" * 500),
        "nested over 100 deep",
    ),
    "attributes in one another": (
        named(ORDERED + b")R}" + text("a") + b"]" * 999 + b"a" * 998 + b"sb"),
        "nested over 100 deep",
    ),
    "a chain of lists that begins with its end": (
        b"](" + b"]q\x05" + b"](h\x05eq\x05" * 500 + b"e.",
        "nested over 100 deep",
    ),
    "a list in itself": (b"]q\x00h\x00a", "nested over 100 deep, or contain themselves"),
    "a dict in itself": (b"}q\x00" + text("model") + b"h\x00s", "nested over 100 deep, or contain themselves"),
    "lists in one another as a weight": (named(LISTS), "'w' is a list"),
    "tuples in one another as a dtype": (named(b"cnumpy\ndtype\n" + TWICE + b"\x85R"), "cannot have dtype"),
    "tuples in one another as a byte order": (
        named(dtype("f4", b"(K\x03" + TWICE + b"NNNK\x00K\x00K\x00tb")),
        "has byte order",
    ),
    "tuples in one another as a shape": (named(array(TWICE)), "has shape"),
    "tuples in one another as an encoding": (b"c_codecs\nencode\n" + text("x") + TWICE + b"\x86R", "are encoded as"),
    "tuples in one another as a Counter": (b"ccollections\nCounter\n" + TWICE + b"\x85R", "Counter"),
    "a million sets": (b"(" + b"\x8f" * 1_000_000 + b"l", "over 500000 instructions"),
    "a million marks": (b"(" * 1_000_000, "over 500000 instructions"),
    "250,000 lists in a list": (b"](" + b"]" * 250_000 + b"e", "holds no weights by name"),
    "a string passed to many calls": (
        text("x" * 10**6) + b"q\x000](" + b"c_codecs\nencode\nh\x00\x85R" * 5_000 + b"e",
        "copies more than the file holds",
    ),
    "a list passed to many calls": (
        b"](" + b"NK\x01" * 99_999 + b"eq\x000](" + (SET + b"h\x00\x85R") * 20_000 + b"e",
        "copies more than the file holds",
    ),
    "bytes in many arrays": (
        b"B" + struct.pack("<I", 4 * 10**6) + bytes(4 * 10**6) + b"q\x000](" + dtype("f4") + b"q\x010"
        + (ARRAY + b"(K\x01" + integer(10**6) + b"\x85h\x01\x89h\x00tb") * 3_000 + b"e",
        "copies more than the file holds",
    ),
    "integers whose hashes are equal": (b"}(" + COLLIDING + b"u", "is the integer"),
    "places in the memo whose hashes are equal": (
        b"N" + b"".join(b"p%d\n" % (k * (2**61 - 1)) for k in range(1, 60_000)),
        "is the integer",
    ),
    "a place in the memo of many digits": (b"Np" + b"9" * 5000 + b"\n", "cannot be read"),
    "an integer of many digits": (b"I" + b"9" * 10**6 + b"\n", "cannot be read"),
    "an integer of a megabyte as a key": (b"}" + integer(1 << 8 * 10**6) + b"Ns", "is the integer <int>"),
    "a string of an exabyte": (b"\x8d" + struct.pack("<Q", 2**60) + b"x", "ends too early"),
    "bytes of four exabytes": (b"\x8e" + struct.pack("<Q", 2**62) + b"x", "ends too early"),
    "a bytearray of eight gigabytes": (b"\x96" + struct.pack("<Q", 2**33) + b"x", "ends too early"),
    "a frame of an exabyte": (b"\x95" + struct.pack("<Q", 2**60) + b"N", "ends too early|exhausted|holds no weights"),
    "an integer of two gigabytes": (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01", "ends too early"),
    "bytes of a negative number": (b"T" + struct.pack("<i", -5) + b"x", "negative"),
}  # fmt: skip

# what builds something else than weights
CRAFTED: dict[str, tuple[bytes, str]] = {
    "a function whose name clears the terminal": (b"c\x1b[2Jos\n\x1b]0;x\x07system\n", r"asks for \\x1b\[2Jos.\\x1b"),
    "a function whose name has a megabyte": (b"cos\n" + b"x" * 10**6 + b"\n", r"asks for os\.x+\.\.\."),
    "a bytearray by its name": (b"cbuiltins\nbytearray\n" + integer(2**33) + b"\x85R", "asks for builtins.bytearray"),
    "a range by its name": (b"cbuiltins\nrange\n" + integer(2**60) + b"\x85R", "asks for builtins.range"),
    "a class of protocol 0": (b"(iposix\nsystem\n", "asks for posix.system"),
    "an extension": (b"\x82\x01", "asks for copyreg extension 1"),
    "an extension of four bytes": (b"\x84\xff\xff\xff\x7f", "asks for copyreg extension 2147483647"),
    "an object without its constructor": (ORDERED + b")\x81", "instruction 0x81"),
    "an object of keywords": (ORDERED + b")}\x92", "instruction 0x92"),
    "an object of protocol 1": (b"(" + ORDERED + b"o", "instruction 0x6f"),
    "a buffer from outside": (b"\x97", "instruction 0x97"),
    "an unknown instruction": (b"\xf0", "instruction 0xf0"),
    "no instruction at all": (b"", "its content is damaged"),
    "an instruction without arguments": (b"R", "its content is damaged"),
    "a persistent id": (b"Pid\n", "cannot be read"),
    "a call of a string": (text("x") + b")R", "it calls a str"),
    "a call with a string of arguments": (ORDERED + text("abc") + b"R", "it calls a"),
    "an OrderedDict of a string": (ORDERED + text("ab") + b"\x85R", "not made of pairs"),
    "an OrderedDict of triples": (ORDERED + b"](](NNNee\x85R", "cannot be read"),
    "items of a function": (ORDERED + b"NNs", "it adds to a _Callable"),
    "items of a list": (b"]K\x00Ns", "it adds to a list"),
    "an array filled by items": (array(b"K\x01\x85", data=b"1234") + b"NK\x01s", "it adds to a Array"),
    "members of a dict": (b"}(K\x01\x90", "it adds to a dict"),
    "elements of a dict": (b"}K\x01a", "it adds to a dict"),
    "elements of bytes": (b"C\x01a(K\x01e", "it adds to a bytes"),
    "a state of a function": (ORDERED + b"}" + text("x") + b"Nsb", "it changes a _Callable"),
    "a state of a list": (b"]}" + text("x") + b"Nsb", "it changes a list"),
    "a state of a set": (b"\x8f}" + text("x") + b"Nsb", "it changes a set"),
    "an OrderedDict with other methods": (ORDERED + b")R}" + text("items") + b"Nsb", "changes the methods"),
    "an OrderedDict of another class": (ORDERED + b")R}" + text("__class__") + b"Nsb", "changes the methods"),
    "versions of modules that are a list": (
        b"}" + text("model") + ORDERED + b")R" + text("w") + array(b"K\x01\x85", data=b"1234") + b"s}"
        + text("_metadata") + b"]sbs" + text("__author__") + text("x") + b"s",
        "versions of modules that are not numbers",
    ),
    "an author that is a list": (
        b"}" + text("model") + named(array(b"K\x01\x85", data=b"1234")) + b"s" + text("__author__") + b"]s",
        "__author__ is not a string",
    ),
    "numbers that claim to be objects": (named(array(b"K\x01\x85", "O8", bytes(8))), "cannot have dtype O8"),
    "numbers of 16 bytes": (named(array(b"K\x01\x85", "f16", bytes(16))), "cannot have dtype f16"),
    "dates": (named(array(b"K\x01\x85", "M8", bytes(8))), "cannot have dtype M8"),
    "raw memory": (named(array(b"K\x01\x85", "V8", bytes(8))), "cannot have dtype V8"),
    "a dtype of many digits": (named(array(b"K\x01\x85", "S" + "9" * 10**5)), "cannot have dtype S999"),
    "texts": (named(array(b"K\x02\x85", "U2", "abcd".encode("utf-32-le"))), "w has dtype <U2"),
    "a structured dtype": (
        named(dtype("f4", b"(K\x03X\x01\x00\x00\x00<N)}K\x00K\x00K\x00tb")),
        "cannot be structured",
    ),
    "more elements than bytes": (named(array(b"K\x09\x85", data=b"1234")), r"shape \[9\] has 4 bytes"),
    "empty texts without number": (named(array(integer(2**62) + b"\x85", "S0")), "has 0 bytes"),
    "a negative shape": (named(array(integer(-1) + b"\x85")), r"has shape \[-1\]"),
    "a shape of a thousand": (named(array(b"(" + b"K\x01" * 1000 + b"t", data=b"1234")), "has shape"),
    "a shape of huge integers": (named(array(b"(" + integer(1 << 10**5) * 30 + b"t")), "has shape"),
    "a shape that is a list": (named(array(b"]")), "has shape"),
    "a name that clears the terminal": (
        b"}" + text("\x1b[2Jw\r") + array(b"K\x01\x85", data=b"1234") + b"s",
        r"'\\x1b\[2Jw\\r' is not the name of a tensor",
    ),
    "a name of a megabyte": (b"}" + text("w" * 10**6) + array(b"K\x01\x85", data=b"1234") + b"s", r"'w+\.\.\.' is not"),
    "half a character as a name": (
        b"}" + text("\ud800") + array(b"K\x01\x85", data=b"1234") + b"s",
        r"'\\ud800' is not the name",
    ),
    "a weight without a name": (b"}N" + array(b"K\x01\x85", data=b"1234") + b"s", "'None' is a ndarray"),
    "blobs that are a list": (b"}" + text("blobs") + b"]s", "holds no weights by name"),
}  # fmt: skip


def _pickles(group: str, contents: dict[str, tuple[bytes, str]]) -> Iterator[Try]:
    """Every pickle as a file of a model zoo; some also within a file of torch.save, and as one of before 1.6."""
    for i, (name, (instructions, reason)) in enumerate(contents.items()):
        write = {".pkl": partial(_write_pickle, instructions)}
        if i % 6 == 0:
            write[".pth"] = partial(write_torch, instructions)
        if i % 6 == 3:
            write["old .pth"] = partial(write_legacy, instructions)
        for suffix, writer in write.items():
            other = "" if suffix == ".pkl" else "|'.*' is a |holds no weights"  # which are no files of a zoo
            yield Try(group, f"{name}, {suffix}", writer, read, rf"^checkpoint .*/x\.p\w+ .*({reason}{other})")


def _write_pickle(instructions: bytes, folder: Path) -> None:
    (folder / "x.pkl").write_bytes(b"\x80\x04" + instructions + b".")


def write_torch(instructions: bytes, folder: Path) -> None:
    """A file of torch.save with a storage of four floats."""
    with zipfile.ZipFile(folder / "x.pth", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02" + instructions + b".")
        archive.writestr("x/data/0", torch.arange(4.0).numpy().tobytes())


def write_legacy(instructions: bytes, folder: Path) -> None:
    """A file of torch.save before 1.6 with a storage of four floats."""
    torch.save({"w": torch.arange(4.0)}, folder / "x.pth", _use_new_zipfile_serialization=False)
    data = (folder / "x.pth").read_bytes()
    start = data.index(b"\x80\x02", data.index(b"type_sizes"))
    (folder / "x.pth").write_bytes(data[:start] + b"\x80\x02" + instructions + b".\x80\x02].")


def read(folder: Path) -> None:
    """Read the checkpoint x in a folder."""
    read_weights(next(path for path in folder.iterdir() if path.name.startswith("x.")))
