"""Detectron2's checkpointer, with read_weights as its reader."""

import os
from typing import Any
from urllib.error import URLError

import torch
from detectron2.checkpoint import DetectionCheckpointer
from fvcore.common.checkpoint import _IncompatibleKeys

from ..config import ConfigError
from ..printable import first_line, shown
from .errors import CheckpointError, not_downloaded
from .reading import read_weights

_MOST_TO_MATCH = 20_000  # Detectron2 compares each name with each name in the model


class SafeCheckpointer(DetectionCheckpointer):
    """Reads every file with read_weights, and refuses weights that no model can use."""

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint as upstream does.

        Raises:
            CheckpointError: if it does not exist, cannot be downloaded, is damaged, or cannot be loaded.
        """
        try:
            return super().load(path, *args, **kwargs)
        except (CheckpointError, ConfigError, torch.cuda.OutOfMemoryError):
            raise
        except URLError as e:
            raise not_downloaded(path, e) from e
        except Exception as e:  # damaged content raises many types of error
            if isinstance(e, FileNotFoundError) or (isinstance(e, AssertionError) and "not found!" in str(e)):
                is_folder = os.path.isdir(path)
                reason = "is a folder: name a file in it, such as model_final.pth" if is_folder else "does not exist"
                raise CheckpointError(f"checkpoint {shown(path, 500)} {reason}") from e
            raise CheckpointError(f"checkpoint {shown(path, 500)} cannot be used: {first_line(e)}") from e
        finally:
            self._parsed_url_during_load = None  # upstream leaves it set after an error

    def _load_file(self, filename: str) -> dict[str, Any]:
        if filename.endswith((".pkl", ".pyth")):
            return read_weights(filename)
        return super()._load_file(filename)  # handles ?matching_heuristics=True in an address

    def _torch_load(self, f: str) -> dict[str, Any]:
        return read_weights(f)

    def _load_model(self, checkpoint: dict[str, Any]) -> _IncompatibleKeys:
        """Refuse complex or non-finite weights, which upstream loads silently, and too many names to match."""
        weights = checkpoint["model"]
        for name, value in weights.items():
            if "complex" in str(value.dtype):
                raise ValueError(f"{name} has complex numbers")
        if checkpoint.get("matching_heuristics") and len(weights) > _MOST_TO_MATCH:
            raise ValueError(f"it has {len(weights)} tensors, too many to find names of the model for")
        incompatible = super()._load_model(checkpoint)
        if name := _not_finite(self.model):
            raise ValueError(f"its {name} has values that are not finite: use an earlier checkpoint")
        return incompatible


def _not_finite(model: torch.nn.Module) -> str:
    """The name of the first parameter that is not finite, or buffer that is nan; an empty string if there is none."""
    for name, value in model.named_parameters():
        if not value.detach().sum().isfinite() and not value.isfinite().all():
            return name
    for name, value in model.named_buffers():
        if value.is_floating_point() and value.sum().isnan() and value.isnan().any():
            return name
    return ""
