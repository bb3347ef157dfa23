#!/usr/bin/env python
"""The main job in minutes: train focal loss and cross entropy on the synthetic data, evaluate, and draw."""

from pathlib import Path

from retina_plugin.engine.cli import exit_with
from retina_plugin.study import load_study, run_study, write_report

_ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the smallest cut of projects/CrossEntropyVsFocal into output/demo."""
    study = load_study(
        _ROOT / "projects/CrossEntropyVsFocal/study.py",
        seeds=[0],
        only=["focal", "ce"],
        output_dir=_ROOT / "output/demo",
    )
    print(
        "Training two detectors that differ in one line; each takes a minute or two on two cores."
    )
    page = write_report(study, run_study(study))
    print(page.with_name("report.md").read_text())
    print(f"Look at the pictures: {page}")


if __name__ == "__main__":
    exit_with(main)
