"""Time and memory of classification losses."""

from .problem import Problem
from .stage import benchmark_losses, format_table

__all__ = ["Problem", "benchmark_losses", "format_table"]
