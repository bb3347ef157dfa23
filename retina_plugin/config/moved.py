"""Names that an earlier version used for objects that are now found elsewhere."""

from __future__ import annotations

__all__ = ["MOVED_NAMES", "current_name"]

MOVED_NAMES = {
    "retina_plugin.modeling.backbone.lesions.LesionedFPN": "retina_plugin.modeling.AblatedFPN",
}
"""Dotted name today, by the name in older configs and checkpoints."""


def current_name(name: str) -> str:
    """Today's dotted name for one that an older config or checkpoint may hold."""
    return MOVED_NAMES.get(name, name)
