"""Every private name of other packages that this one relies on, with the reason.

Private names may change without notice. A test looks for each of them, so that a new version of Detectron2 that lacks
one is noticed by its name.
"""

from __future__ import annotations

PRIVATE_NAMES: dict[str, str] = {}
"""Reason by name, written as `module:attribute.path`."""
