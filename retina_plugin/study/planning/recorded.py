"""Which questions a study asked before its results were there.

A p-value is valid for a question that was fixed before its results were seen. `questions.json` in the study folder
records the questions of the study file whenever a command is about to train and they have changed, with the seeds that
had results then. A report on some seeds compares the questions of the file with those of the last record before any of
these seeds had a result. It names questions that were added since, and counts removed ones in the correction.
"""

import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from ...files import write_json
from ...reading import read_json
from ..execution.job import RESULT, read_end
from ..spec.hypothesis import Hypothesis
from ..spec.metrics import Metric
from ..spec.study import Study

QUESTIONS = "questions.json"  # in the study folder


class LateChanges(NamedTuple):
    """Questions that the study file asks only since results were there, and questions that it asks no more."""

    added: tuple[Hypothesis, ...] = ()
    removed: tuple[Hypothesis, ...] = ()


class _Record(NamedTuple):
    questions: tuple[Hypothesis, ...]
    seeds: set[int]  # those that had results when the questions were recorded


def record_questions(study: Study) -> None:
    """Record the questions of the file and the seeds that have results, unless the last record has these questions."""
    records, now = _read(study.output_dir), _questions(study)
    if not records or set(records[-1].questions) != set(now):
        records.append(_Record(now, _seeds_with_results(study.output_dir)))
        plain = [{"questions": [asdict(h) for h in r.questions], "seeds": sorted(r.seeds)} for r in records]
        write_json(study.output_dir / QUESTIONS, plain)


def late_changes(study: Study) -> LateChanges:
    """What has changed since the first of `study.seeds` had a result; nothing if none has, or no record is as old."""
    records, now = _read(study.output_dir), _questions(study)
    planned = list(itertools.takewhile(lambda r: not r.seeds & set(study.seeds), records))
    if not planned or not _seeds_with_results(study.output_dir) & set(study.seeds):
        return LateChanges()
    asked = {*planned[-1].questions, *(replace(h, margin=None) for h in planned[-1].questions)}
    since = [h for record in records[len(planned) - 1 :] for h in record.questions]
    claims = {_claim(h) for h in now}
    return LateChanges(
        added=tuple(h for h in now if h not in asked),
        removed=tuple({_claim(h): h for h in since if _claim(h) not in claims}.values()),
    )


def counted_questions(study: Study) -> tuple[Hypothesis, ...]:
    """Questions that get no verdict but count in the correction: about variants that do not run, and removed ones."""
    return (*study.other_questions, *late_changes(study).removed)


def _questions(study: Study) -> tuple[Hypothesis, ...]:
    return (*study.questions, *study.other_questions)


def _claim(h: Hypothesis) -> tuple[str, str, str]:
    """What a correction counts: a question apart from its margin."""
    return h.better, h.than, h.metric.key


def _seeds_with_results(folder: Path) -> set[int]:
    """Seeds of the runs that ended without an error, also of those that were moved aside, such as seed0.1."""
    runs = [path.parent for path in folder.glob(f"*/seed*/{RESULT}")]
    ended = [run.name for run in runs if (end := read_end(run)) and not end.error]
    numbers = [name.removeprefix("seed").partition(".")[0] for name in ended]
    return {int(number) for number in numbers if number.isdecimal()}


def _read(folder: Path) -> list[_Record]:
    return list(map(_record, read_json(folder / QUESTIONS, [], _are_records)))


def _are_records(content: list[Any]) -> bool:
    try:
        return all(map(_is_typed, map(_record, content)))
    except (KeyError, TypeError):
        return False


def _is_typed(record: _Record) -> bool:
    """Whether all values of a record have the type that they should; raises TypeError for values without a hash."""
    texts = [x for h in set(record.questions) for x in (h.better, h.than, h.metric.key, h.metric.name, h.metric.unit)]
    numbers = [*record.seeds, *(h.margin for h in record.questions if h.margin is not None)]
    return all(isinstance(x, str) for x in texts) and all(isinstance(x, int | float) for x in numbers)


def _record(plain: dict[str, Any]) -> _Record:
    return _Record(tuple(map(_hypothesis, plain["questions"])), set(plain["seeds"]))


def _hypothesis(plain: dict[str, Any]) -> Hypothesis:
    return Hypothesis(**plain | {"metric": Metric(**plain["metric"])})
