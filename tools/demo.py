#!/usr/bin/env python
"""The main job in minutes: train focal loss and cross entropy on the synthetic data, evaluate, and draw."""

from pathlib import Path

from retina_plugin.engine.cli import exit_with
from retina_plugin.study import build_executor, load_study, report_outcome, run_study

_ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the smallest cut of projects/CrossEntropyVsFocal into output/demo."""
    study = load_study(
        _ROOT / "projects/CrossEntropyVsFocal/study.py",
        seeds=[0],
        only=["focal", "ce"],
        output_dir=_ROOT / "output/demo",
    )
    print("Training two detectors that differ in one line, side by side: two minutes on two cores.")
    report_outcome(study, run_study(study, build_executor(jobs=2)))


if __name__ == "__main__":
    exit_with(main)
