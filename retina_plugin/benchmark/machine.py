"""The speed of this machine in matrix products and convolutions, and the operations that a network needs."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..modeling.optimization.processor import has_bfloat16

MATMUL, CONV = "matmul", "conv 3x3"
_SIDE, _CHANNELS, _MAP = 2048, 256, (100, 168)  # of the matrices; of P3 of an image of 800 x 1344 pixels


def multiply_sides(device: torch.device) -> dict[str, Callable[[], Tensor]]:
    """A matrix product and a convolution as in a head, in float32 and, if the device supports it, bfloat16.

    The faster of the two in float32 is the rate that detectors are compared with.
    """
    dtypes = [torch.float32, *([torch.bfloat16] if has_bfloat16(device) else [])]
    sides = {}
    for dtype in dtypes:
        name = str(dtype).removeprefix("torch.")
        matrix = torch.randn(_SIDE, _SIDE, device=device).to(dtype)
        sides[f"{MATMUL}, {name}"] = partial(torch.mm, matrix, matrix)
        features = torch.randn(1, _CHANNELS, *_MAP, device=device).to(dtype, memory_format=torch.channels_last)
        weight = torch.randn(_CHANNELS, _CHANNELS, 3, 3, device=device)
        weight = weight.to(dtype, memory_format=torch.channels_last)
        sides[f"{CONV}, {name}"] = partial(F.conv2d, features, weight, padding=1)
    return {name: torch.no_grad()(run) for name, run in sides.items()}


def count_gflop(run: Callable[[], Any]) -> float:
    """Floating point operations of convolutions and matrix products, in units of 1e9; a multiply-add counts as two.

    oneDNN operators, which an optimized detector calls, are not counted, so count the plain detector.
    """
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e9


def add_rates(found: dict[str, dict[str, float]], gflop: float, sides: dict[str, Callable[[], Tensor]]) -> None:
    """Add `gflop`, `gflop_per_s` and `of_machine`, the share of the machine's highest float32 rate, to measured times.

    `gflop` is counted on the plain detector. So a side that needs fewer operations for the same result, or computes in
    a shorter format, has a higher share. Rows of the machine lose their ratios.
    """
    for name, row in found.items():
        row["gflop"] = count_gflop(sides[name]) if name in sides else gflop
        row["gflop_per_s"] = row["gflop"] / row["seconds"]
    fastest = max(found[name]["gflop_per_s"] for name in sides if name.endswith("float32"))
    for name, row in found.items():
        row["of_machine"] = row["gflop_per_s"] / fastest
        if name in sides:
            for key in ("ratio", "lowest", "highest"):  # meaningless for a bare product
                del row[key]
