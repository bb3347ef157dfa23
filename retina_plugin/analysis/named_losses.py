"""The losses of configs/common/losses.py by name."""

from collections.abc import Sequence

from detectron2.config import instantiate

from ..config import get_config
from ..modeling.losses import ClassificationLoss


def named_losses(names: Sequence[str] = ()) -> dict[str, ClassificationLoss]:
    """Build classification losses by name, all of them if no name is given; ValueError for an unknown name."""
    nodes = get_config("common/losses.py").losses
    for name in names:
        if name not in nodes:
            raise ValueError(f"configs/common/losses.py has no loss {name!r}; choose one of {sorted(nodes)}")
    return {name: instantiate(nodes[name]) for name in names or nodes}
