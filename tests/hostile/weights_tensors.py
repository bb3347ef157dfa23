"""Tensors of strangers, and healthy ones."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from retina_plugin.commands.convert import convert_weights
from retina_plugin.engine.checkpoint import RunCheckpointer
from retina_plugin.weights import SafeCheckpointer, read_weights, write_safetensors

from .tries import Try
from .weights_archives import write_header
from .weights_pickles import integer, named, read, storage, tensor, text, write_torch


def tries() -> Iterator[Try]:
    """All tries with tensors."""
    yield from _tensors()
    yield from _loaded()
    yield from _healthy()


def _tensors() -> Iterator[Try]:
    group = "tensors that no model can use are refused"
    one, size = b"K\x01\x85", b"K\x04\x85"
    for name, (instructions, reason) in {
        "eight gigabytes of one number": (
            tensor(integer(2**31) + b"\x85", b"K\x00\x85"),
            "has 2147483648 elements, and",
        ),
        "more numbers than a computer has": (
            tensor(integer(2**62) + b"\x85", b"K\x00\x85"),
            "elements, and its storage 4",
        ),
        "sizes whose product is too large": (
            tensor((integer(2**62) + b"2") + b"\x86", b"K\x00K\x00\x86"),
            "elements, and its storage 4",
        ),
        "a negative size": (tensor(integer(-4) + b"\x85", one), r"has shape \[-4\]"),
        "a negative stride": (tensor(size, integer(-1) + b"\x85"), r"has shape \[-1\]"),
        "a negative offset": (tensor(size, one, integer(-1)), "cannot be read"),
        "an offset outside": (tensor(size, one, b"K\x01"), "out of bounds"),
        "a stride outside": (tensor(size, b"K\x02\x85"), "out of bounds"),
        "windows that overlap": (tensor(b"K\x02K\x03\x86", b"K\x01K\x01\x86"), "6 elements, and its storage 4"),
        "a thousand dimensions": (tensor(b"(" + b"K\x01" * 1000 + b"t", b"(" + b"K\x01" * 1000 + b"t"), "has shape"),
        "a size that is a string": (tensor(text("4"), one), "has shape 4"),
        "a gradient that is a string": (tensor(size, one, rest=text("x") + b"N"), "cannot be read"),
        "another count": (tensor(size, one, of=storage(count=b"K\x05")), "has 5 elements, and its record 16 bytes"),
        "a count that is a string": (tensor(size, one, of=storage(count=text("4"))), "has 4 elements"),
        "a negative count": (tensor(size, one, of=storage(count=integer(-4))), "has -4 elements"),
        "a record that does not exist": (tensor(size, one, of=storage(key=text("../x"))), "it has no record data/"),
        "a key that is a tuple": (tensor(size, one, of=storage(key=b")")), "something else than the storage"),
        "one storage of two dtypes": (
            tensor(size, one) + b"0" + tensor(size, one, of=storage(kind="Int")),
            "has 4 elements of torch.float32",
        ),
        "a quantized storage": (tensor(size, one, of=storage(kind="QInt8")), "asks for torch.QInt8Storage"),
        "a tensor changed by items": (tensor(size, one) + b"K\x00Ns", "it adds to a Tensor"),
        "a tensor with another storage": (tensor(size, one) + b")b", "it changes a Tensor"),
        "a parameter of a list": (b"ctorch._utils\n_rebuild_parameter\n]\x88N\x87R", "cannot be read"),
        "a device as a function": (b"ctorch\ndevice\n" + text("meta") + b"\x85R)R", "it calls a device"),
        "a device that is a list": (b"ctorch\ndevice\n]\x85R", "a device is not a string"),
        "a device of a megabyte": (b"ctorch\ndevice\n" + text("\x1b" * 10**6) + b"\x85R", "cannot be read"),
        "a size of strings": (b"ctorch\nSize\n" + text("x") + b"\x85\x85R", "has shape"),
    }.items():
        yield Try(group, name, partial(write_torch, named(instructions)), read, rf"^checkpoint .*x\.pth .*{reason}")
    for name, (value, reason) in {
        "expanded": (torch.ones(1).expand(1000), r"1000 elements, and its storage 1. .*save its clone\(\)"),
        "sparse": (torch.eye(3).to_sparse(), "asks for torch._utils._rebuild_sparse_tensor"),
        "on the meta device": (torch.empty(3, device="meta"), "asks for torch._utils._rebuild_meta"),
        "quantized": (
            torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
            "asks for torch._utils._rebuild_q",
        ),
        "nested": (torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "asks for torch._utils._rebuild_nested"),
        "of eight bits": (torch.ones(3).to(torch.float8_e4m3fn), "asks for torch"),
        "text of numpy": (np.array(["a"]), "w has dtype <U1"),
        "a number": (3.5, "'w' is a float"),
        "a model": (nn.Linear(1, 1), "asks for torch.nn.modules.linear.Linear"),
    }.items():
        yield Try(
            group, f"a weight that is {name}", partial(_save, {"w": value}), read, rf"^checkpoint .*x\.pth .*{reason}"
        )


def _save(content: Any, folder: Path) -> None:
    torch.save(content, folder / "x.pth")


def _loaded() -> Iterator[Try]:
    """Readable weights that are refused when a model loads them."""
    group = "tensors that no model can use are refused"
    nan, inf = torch.full((1, 1), torch.nan), torch.full((1, 1), torch.inf)
    for name, (value, reason) in {
        "nan": (nan, "weight has values that are not finite"),
        "infinite": (inf, "weight has values that are not finite"),
        "nan of half precision": (nan.half(), "weight has values that are not finite"),
        "nan of numpy": (nan.numpy(), "weight has values that are not finite"),
        "complex": (torch.ones(1, 1, dtype=torch.complex64), "weight has complex numbers"),
        "of another shape": (torch.ones(2, 1), "belongs to another model: wrong shape: weight"),
    }.items():
        content = {"weight": value, "bias": torch.ones(1)}
        for way, act in {"load_all": _load_all, "load_some": _load_some}.items():
            if way == "load_all" or "shape" not in name:
                wanted = rf"^checkpoint .*x\.pth .*{reason}"
                yield Try(group, f"weights that are {name}, {way}", partial(_save, content), act, wanted)
    many: dict[str, Any] = {f"w{i}": {"dtype": "U8", "shape": [], "data_offsets": [i, i + 1]} for i in range(30_000)}
    yield Try(
        group,
        "30,000 weights whose names must be guessed",
        partial(write_header, {"__metadata__": {"matching_heuristics": "True"}} | many, data=bytes(30_000)),
        _load_safely,
        r"^checkpoint .*x\.safetensors .*has 30000 tensors, too many",
    )
    shared = torch.ones(10**6)
    yield Try(
        group,
        "weights that share memory, and would fill the disk",
        partial(_save, {f"w{i}": shared for i in range(5000)}),
        lambda folder: convert_weights(folder / "x.pth", folder / "y.safetensors"),
        r"^checkpoint .*x\.pth has \d+ bytes, and its tensors, which share memory, would need 20000000000",
    )


def _load_all(folder: Path) -> None:
    RunCheckpointer(nn.Linear(1, 1)).load_all(str(folder / "x.pth"))


def _load_some(folder: Path) -> None:
    RunCheckpointer(nn.Linear(1, 1)).load_some(str(folder / "x.pth"))


def _load_safely(folder: Path) -> None:
    SafeCheckpointer(nn.Linear(1, 1)).load(str(folder / "x.safetensors"))


def _healthy() -> Iterator[Try]:
    """So that nothing is refused which works."""
    group = "healthy checkpoints are read"
    numbers = {"weight": torch.ones(1, 1), "bias": torch.ones(1)}
    for name, write in {
        "of torch.save": partial(_save, numbers),
        "of a training": partial(_save, {"model": numbers, "iteration": 3}),
        "of torch.save before 1.6": lambda f: torch.save(numbers, f / "x.pth", _use_new_zipfile_serialization=False),
        "of this package": lambda f: write_safetensors(numbers, f / "x.safetensors", {"__author__": "\x1b"}),
        "of others": lambda f: save_file(numbers, f / "x.safetensors"),
        "of numpy": partial(_save, {name: value.numpy() for name, value in numbers.items()}),
        "of half precision": partial(_save, {name: value.half() for name, value in numbers.items()}),
        "with an expanded tensor that fits": partial(_save, numbers | {"weight": torch.ones(5)[:1].expand(1, 1)}),
        "with an infinite tensor elsewhere": partial(_save, numbers | {"mask": torch.full((1,), -torch.inf)}),
        "of keys of every kind": partial(_save, {"model": numbers, "x": {7: 2, None: 3, True: 4, b"x": 5, 0.5: {6}}}),
        "of a thousand tensors": partial(_save, numbers | {f"w{i}": torch.ones(1) for i in range(1000)}),
    }.items():
        yield Try(group, name, write, _load_what_fits)


def _load_what_fits(folder: Path) -> None:
    path = next(path for path in folder.iterdir() if path.name.startswith("x."))
    assert set(read_weights(path)["model"]) >= {"weight", "bias"}
    model = nn.Linear(1, 1)
    SafeCheckpointer(model).load(str(path))
    assert float(model.weight) == float(model.bias) == 1, "the weights are others"
