"""Detectron2's checkpointer, without running code in files."""

from __future__ import annotations

from typing import Any

from detectron2.checkpoint import DetectionCheckpointer

from .reading import read_weights


class SafeCheckpointer(DetectionCheckpointer):
    """Overrides the two methods that unpickle files, so that read_weights reads every file."""

    def _load_file(self, filename: str) -> dict[str, Any]:
        if filename.endswith((".pkl", ".pyth")):
            return read_weights(filename)
        return super()._load_file(filename)  # handles ?matching_heuristics=True in an address

    def _torch_load(self, f: str) -> dict[str, Any]:
        return read_weights(f)
