"""Every private name of other packages that this one relies on, with the reason.

Private names may change without notice. A test looks for each of them, so that a new version of Detectron2 that lacks
one is noticed by its name.
"""

from __future__ import annotations

PRIVATE_NAMES: dict[str, str] = {
    "detectron2.modeling.meta_arch:DenseDetector._move_to_current_device": "preprocessing that pads to a given size",
    "torch.nn:Module._register_load_state_dict_pre_hook": "renames a key of old checkpoints; public since torch 2.5",
}
"""Reason by name, written as `module:attribute.path`."""
