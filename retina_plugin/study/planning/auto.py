"""Studies that add seeds until every verdict is settled."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..evidence.by_image import collect_evidence
from ..execution.results import RunResult, hidden_results
from ..spec.study import Study
from ..statistics.measurements import Measurements
from .looks import looks_until, record_look
from .verdicts_at_looks import all_settled, judge_looks


def parts(study: Study) -> Iterator[Study]:
    """Yield the study with its first two seeds, then three and so on, if it adds seeds; otherwise only the study."""
    first = 2 if study.adds_seeds else len(study.seeds)
    for number in range(first, len(study.seeds) + 1):
        yield replace(study, seeds=study.seeds[:number])


def measure_results(study: Study, results: Sequence[RunResult]) -> tuple[Measurements, str]:
    """The measurements of a study, and the reason if test images could not be resampled, otherwise "".

    Runs of variants that `--only` leaves out are included, so that the option changes no p-value.
    """
    hidden = hidden_results(study, results)
    evidence, reason = collect_evidence([*results, *hidden])
    return Measurements(results, evidence, hidden=hidden), reason


def settled_by(study: Study, results: Sequence[RunResult]) -> bool:
    """Judge a part of a study, print its verdicts and record the look; returns whether all verdicts are settled."""
    looks = looks_until(study.output_dir, study.seeds, study.planned)
    measurements, _ = measure_results(study, results)
    verdicts = judge_looks(measurements, study.questions, study.other_questions, looks)
    record_look(study.output_dir, looks[-1])
    for verdict in verdicts:
        print(f"after {len(study.seeds)} seeds: {verdict.headline}")
    return all_settled(verdicts)
