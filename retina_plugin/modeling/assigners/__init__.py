"""Label assigners: they decide which anchors learn which object."""

from .base import AnchorTargets, LabelAssigner
from .matcher import MatcherAssigner, choose_assigner

__all__ = ["AnchorTargets", "LabelAssigner", "MatcherAssigner", "choose_assigner"]
