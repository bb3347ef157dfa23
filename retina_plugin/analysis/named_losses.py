"""The named losses of configs/common/losses.py, as objects."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.config import instantiate

from ..config import get_config
from ..modeling.losses import ClassificationLoss

__all__ = ["named_losses"]


def named_losses(names: Sequence[str] = ()) -> dict[str, ClassificationLoss]:
    """Classification losses by their name in the config, all of them if no name is given.

    Raises:
        ValueError: for a name that the config does not have.
    """
    nodes = get_config("common/losses.py").losses
    for name in names:
        if name not in nodes:
            raise ValueError(f"configs/common/losses.py has no loss {name!r}, but {sorted(nodes)}")
    return {name: instantiate(nodes[name]) for name in names or nodes}
