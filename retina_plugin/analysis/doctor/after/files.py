"""What a run folder lacks, or where its training stopped."""

from collections.abc import Iterator

from ....printable import first_line
from ....reading import read_small
from ....run_folder import LAST_CHECKPOINT, LOG, METRICS, checkpoints, is_finished
from ...pasting import of_run
from ..finding import Finding
from .record import Record

_NAME = "write the name of a checkpoint of this folder into it"


def metrics(record: Record) -> Iterator[Finding]:
    """A training that wrote no losses, so it stopped before its first lines."""
    if not record.iterations:
        message = f"{METRICS} holds no losses: training stopped within its first {record.cfg.train.log_period} steps"
        yield Finding("error", "no-metrics", message, str(record.folder / METRICS), f"the end of {LOG} tells why")


def unfinished(record: Record) -> Iterator[Finding]:
    """A training that stopped before its last iteration, or before its last evaluation."""
    done = record.iterations
    if not done or is_finished(record.folder, record.max_iter) or _stopped_early(record):
        return
    message = f"only {done} of {record.max_iter} iterations are done"
    if done >= record.max_iter:
        message = f"all {done} iterations are done, but the final checkpoint or its evaluation is missing"
    fix = f"retina train {of_run(record.folder)} --resume"
    yield Finding("warning", "unfinished", message, str(record.folder), fix)


def weights(record: Record) -> Iterator[Finding]:
    """No checkpoint to use or to resume from, or one that is named but missing."""
    if not checkpoints(record.folder):
        message = "the folder holds no checkpoint: nothing can be evaluated, predicted or resumed"
        fix = f"train.checkpointer.period={max(record.max_iter // 4, 1)}, and train again"
        yield Finding("error", "no-checkpoint", message, str(record.folder), fix)
        return
    tag = record.folder / LAST_CHECKPOINT
    try:
        name = read_small(tag).strip()
    except (OSError, ValueError) as e:
        yield Finding("warning", "checkpoint-missing", f"{tag} cannot be read: {first_line(e)}", str(tag), _NAME)
        return
    if not (record.folder / name).is_file():
        yield Finding("warning", "checkpoint-missing", f"{tag} names {name}, which is missing", str(tag), _NAME)


def _stopped_early(record: Record) -> bool:
    """Whether `train.early_stopping` ended the training, after an evaluation of its last weights."""
    evaluated, _ = record.ap
    is_before_end = len(evaluated) > 0 and record.iterations <= evaluated[-1] < record.max_iter
    return bool(record.cfg.train.get("early_stopping")) and is_before_end
