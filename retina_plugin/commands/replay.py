"""Repeat a training step that failed."""

from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from ..engine.reliability.diagnosis import diagnose, magnitudes
from ..engine.reliability.guard import load_dump
from ..engine.setup import build_model, resolve_device
from ..run_folder import read_config


def replay(dump: str | Path, run_dir: str | Path | None = None, trust: Sequence[str] = ()) -> str:
    """Describe a training step that was saved in RUN/nonfinite, and name the first value that is not finite.

    The config of `run_dir` describes the model; by default that is the folder above the dump's.
    `trust` lists modules of your own that the config may use.

    Raises:
        ConfigError: if `dump` is not such a file, or its run has no config.
    """
    kept = load_dump(dump)
    cfg = read_config(run_dir or Path(dump).resolve().parent.parent, trust=trust)
    model = build_model(cfg, pretrained=False).to(resolve_device(cfg.train.device))
    model.load_state_dict(kept.model)
    model.train()
    images = [(x.get("file_name", "?"), *x["image"].shape[-2:], len(x.get("instances", ()))) for x in kept.batch]
    parts = [
        f"iteration {kept.iteration}",
        tabulate(images, headers=["image", "height", "width", "objects"]),
        tabulate(magnitudes(model, kept.batch, kept.dtype), headers=["", "largest", "not finite"]),
        diagnose(model, kept.batch, kept.dtype),
    ]
    return "\n\n".join(parts)
