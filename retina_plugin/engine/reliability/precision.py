"""The precision of a training pass."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


@contextlib.contextmanager
def precision(device_type: str, dtype: torch.dtype | None) -> Iterator[None]:
    """Mixed precision of `dtype` within the context, or float32 for None."""
    with contextlib.ExitStack() as contexts:
        if dtype is not None:
            contexts.enter_context(torch.autocast(device_type, dtype))
            if device_type == "cpu":
                contexts.enter_context(_NarrowConvolutions())
        yield


class _NarrowConvolutions(TorchFunctionMode):
    """Computes strided convolutions of maps that are one pixel wide in float32.

    In bfloat16 on a CPU, torch 2.14 returns memory that it has not written as the gradient of their weights. P7 is
    computed from such a map if images are at most 64 pixels wide.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.conv2d or not _is_narrow(*args, **kwargs):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            result = func(*map(_as_float, args), **{name: _as_float(value) for name, value in kwargs.items()})
        return result.to(torch.get_autocast_dtype("cpu"))


def _is_narrow(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, *_: Any, **__: Any) -> bool:
    return input.shape[-1] == 1 and stride not in (1, (1, 1), [1, 1])


def _as_float(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) else value
