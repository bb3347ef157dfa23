"""Studies: named variants of one base config, each trained with the same seeds, and a report."""

from .execution.executors import build_executor
from .execution.runner import run_study
from .report.report import report_results, write_report
from .spec.study import MATCHES, Study, Variant
from .spec.study_file import load_study
from .statistics.compare import Comparison, compare_seeds

__all__ = [
    "MATCHES",
    "Comparison",
    "Study",
    "Variant",
    "build_executor",
    "compare_seeds",
    "load_study",
    "report_results",
    "run_study",
    "write_report",
]
