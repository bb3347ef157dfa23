"""Scalars to Weights & Biases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...files import write_text
from .tracker import Tracker, known_id, library


class WandbWriter(Tracker):
    """Scalars to a run of Weights & Biases; its files are in the run folder's `wandb/`."""

    def __init__(self, run_dir: Path, config: Mapping[str, Any], **arguments: Any) -> None:
        """`arguments`: arguments of wandb.init, such as project."""
        wandb, known = library("wandb"), run_dir / "wandb_run_id"
        defaults = {"dir": str(run_dir), "name": run_dir.name, "id": known_id(known), "resume": "allow"}
        self._run = wandb.init(**(defaults | arguments), config={"run_dir": str(run_dir), **config})
        write_text(known, self._run.id)
        self._last_write = self._run.step - 1  # a resumed run has steps already

    def _send(self, scalars: dict[str, float], iteration: int) -> None:
        self._run.log(scalars, step=iteration)

    def _finish(self) -> None:
        self._run.finish()
