"""Repeat a training step that failed."""

from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from ..config import ConfigError
from ..engine.reliability.diagnosis import diagnose, magnitudes
from ..engine.reliability.guard import load_dump
from ..engine.setup import build_model, resolve_device
from ..run_folder import read_config


def replay(dump: str | Path, run_dir: str | Path | None = None, trust: Sequence[str] = ()) -> str:
    """Describe a training step that was saved in RUN/nonfinite, and name its first value that is not finite.

    The model is that of the config in `run_dir`, by default RUN. `trust` lists modules of your own that the config may
    use.

    Raises:
        ConfigError: if `dump` is no such file, or `run_dir` has no config or the config of another model.
    """
    kept = load_dump(dump)
    cfg = read_config(run_dir or Path(dump).resolve().parent.parent, trust=trust)
    model = build_model(cfg, pretrained=False).to(resolve_device(cfg.train.device))
    try:
        model.load_state_dict(kept.model)
    except RuntimeError as e:
        raise ConfigError(f"{dump} was saved by another model than the run has: name its run with --run") from e
    model.train()
    images = [(x.get("file_name", "?"), *x["image"].shape[-2:], len(x.get("instances", ()))) for x in kept.batch]
    parts = [
        f"iteration {kept.iteration}",
        tabulate(images, headers=["image", "height", "width", "objects"]),
        tabulate(magnitudes(model, kept.batch, kept.dtype), headers=["", "largest", "not finite"]),
        diagnose(model, kept.batch, kept.dtype),
    ]
    return "\n\n".join(parts)
