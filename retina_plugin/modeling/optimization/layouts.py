"""Weights in other layouts, which are made once and kept as long as the weights."""

from collections.abc import Callable, Hashable

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_kept = WeakTensorKeyDictionary()  # (state, {layout: tensor}) by weights


def kept_layout(weight: Tensor, layout: Hashable, make: Callable[[Tensor], Tensor]) -> Tensor:
    """`make(weight)`, made once for each `layout`. Each takes the memory of the weights once more, or several times.

    Layouts are made again after weights have been loaded or set; a change in place through `weight.data`, or of a
    tensor of inference mode, is not noticed.
    """
    state = weight.data_ptr(), 0 if weight.is_inference() else weight._version
    known, layouts = _kept.get(weight, (None, {}))
    if known != state:
        layouts = {}
        _kept[weight] = state, layouts
    if layout not in layouts:
        layouts[layout] = make(weight.detach())
    return layouts[layout]
