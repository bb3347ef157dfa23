"""Devices by name."""

import torch


def default_device() -> str:
    """ "cuda" if there is a GPU, otherwise "cpu"; what `train.device="auto"` means."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def why_unavailable(device: str) -> str:
    """Why a detector cannot run on `device`; an empty string if it can."""
    try:
        if torch.device(device).type == "mps":
            return "the detector has float64 numbers, which MPS lacks"
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as e:
        return str(e).splitlines()[0]
    return ""
