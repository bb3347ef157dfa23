"""A training step that failed, done again."""

from __future__ import annotations

from pathlib import Path

from tabulate import tabulate

from ..engine.reliability.diagnosis import diagnose, magnitudes
from ..engine.reliability.guard import load_dump
from ..engine.setup import build_model, resolve_device
from ..run_folder import read_config

__all__ = ["replay"]


def replay(dump: str | Path, run_dir: str | Path | None = None) -> str:
    """Say what a kept step consists of, and where it stops being finite.

    Args:
        dump: what a training has kept in RUN/nonfinite.
        run_dir: the run, whose config.yaml describes the model; by default the folder above the dump's.

    Raises:
        ConfigError: if `dump` is no such file, or its run has no config.
    """
    kept = load_dump(dump)
    cfg = read_config(run_dir or Path(dump).resolve().parent.parent)
    model = build_model(cfg, pretrained=False).to(resolve_device(cfg.train.device))
    model.load_state_dict(kept.model)
    model.train()
    images = [
        (
            inputs.get("file_name", "?"),
            *inputs["image"].shape[-2:],
            len(inputs.get("instances", ())),
        )
        for inputs in kept.batch
    ]
    parts = [
        f"iteration {kept.iteration}",
        tabulate(images, headers=["image", "height", "width", "objects"]),
        tabulate(magnitudes(model, kept.batch, kept.dtype), headers=["", "largest", "not finite"]),
        diagnose(model, kept.batch, kept.dtype),
    ]
    return "\n\n".join(parts)
