"""Tune every variant of a study with the same budget."""

from pathlib import Path

from ..study import Study
from ..study.execution.executors import Executor
from ..study.tuning.search import tune
from ..study.tuning.show import FIGURE, save_tuning, tuning_table
from ..study.tuning.tuned import TUNED, write_tuned


def tune_study(study: Study, trials: int, executor: Executor | None = None) -> Path:
    """Search with `trials` trials for every variant, write results into the study's folder, and print their table.

    The folder then holds tuned.json, tuning.txt, tuning.png and a run folder per training. Returns the path of
    tuned.json, which retina ablate takes with --tuned-by.

    Raises:
        ConfigError, DataError, ValueError: before any training, for a config or data that cannot be used.
        ChildProcessError: if a training fails and its loss did not diverge.
    """
    searches = tune(study, trials, executor)
    tuned = write_tuned(study.output_dir, searches, trials)
    save_tuning(study.output_dir, tuned)
    print(tuning_table(tuned))
    path = study.output_dir / TUNED
    print(f"tuned values: {path}, figure: {study.output_dir / FIGURE}")
    return path
