"""Ablations: named variants of one base config, each trained over the same seeds, and a report."""

from .execution.executors import build_executor
from .execution.runner import run_study
from .report.report import report_outcome, write_report
from .spec.study import Study, Variant, load_study

__all__ = [
    "Study",
    "Variant",
    "build_executor",
    "load_study",
    "report_outcome",
    "run_study",
    "write_report",
]
