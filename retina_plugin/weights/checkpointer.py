"""Detectron2's checkpointer without the code that a file may bring."""

from __future__ import annotations

from typing import Any

from detectron2.checkpoint import DetectionCheckpointer

from .reading import read_weights


class SafeCheckpointer(DetectionCheckpointer):
    """Opens the two places where Detectron2 unpickles: read_weights reads every file."""

    def _load_file(self, filename: str) -> dict[str, Any]:
        if filename.endswith((".pkl", ".pyth")):
            return read_weights(filename)
        return super()._load_file(filename)  # which obeys an address's ?matching_heuristics=True

    def _torch_load(self, f: str) -> dict[str, Any]:
        return read_weights(f)
