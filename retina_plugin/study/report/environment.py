"""Where a study ran, and how to repeat it."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import detectron2
import torch

from ..execution.job import FACTS
from ..execution.results import RunResult
from ..spec.study import Study

__all__ = ["describe_environment"]

_PACKAGES = ("retina_plugin", "torch", "torchvision", "numpy", "scipy", "pycocotools")


def describe_environment(study: Study, results: Sequence[RunResult]) -> dict[str, Any]:
    """Base config, seeds, overrides, command, machine, versions, and CPU threads of a run (empty if unknown)."""
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {
        "base": study.base,
        "seeds": list(study.seeds),
        "overrides": list(study.overrides),
        "command": shlex.join(["python", *sys.argv]),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, {accelerator}",
        "threads": ", ".join(sorted(_threads(results))),
        "versions": versions | {"detectron2": detectron2.__version__, "python": platform.python_version()},
    }


def _threads(results: Sequence[RunResult]) -> set[str]:
    paths = [Path(result.run_dir, FACTS) for result in results]
    return {json.loads(path.read_text())["threads"]["of a run"] for path in paths if path.is_file()}
