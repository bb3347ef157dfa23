"""Tables of simulated studies, and the bank of spreads from study folders."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..data import DataError
from ..files import write_text
from ..reading import read_json
from ..run_folder import last_evaluation
from ..study.execution.job import is_resampled, read_end
from ..study.planning.simulated import Rates, Setting, simulate
from ..study.planning.simulated_factors import simulate_factors
from ..study.spec.metrics import COCO_METRICS
from ..study.statistics.bank import BANK

_HALF = 0.5**0.5  # runs of this spread give differences of spread 1
_FOUR = (_HALF,) * 4
NULLS = (
    Setting("exchangeable, four variants", _FOUR),
    Setting("exchangeable, two variants", _FOUR[:2]),
    Setting("one variant spreads three times as far", (_HALF, 3 * _HALF, _HALF, _HALF)),
    Setting("the reference spreads three times as far", (3 * _HALF, _HALF, _HALF, _HALF)),
    Setting("the reference spreads a third as far", (_HALF, 3 * _HALF, 3 * _HALF, 3 * _HALF)),
    Setting("spreads 1, 1, 2, 3", (_HALF, _HALF, 2 * _HALF, 3 * _HALF)),
    Setting("spreads 1, 3, two variants", (_HALF, 3 * _HALF)),
    Setting("the reference of eight spreads three times as far", (3 * _HALF, *(_HALF,) * 7)),
    Setting("one of eight spreads three times as far", (_HALF, 3 * _HALF, *(_HALF,) * 6)),
    Setting("near 0", _FOUR, level=0.7),
    Setting("near 100", _FOUR, level=99.3),
    Setting("skewed, all variants", _FOUR, shapes=("skewed",)),
    Setting("skewed, one of four variants", _FOUR, shapes=("normal", "skewed", "normal", "normal")),
    Setting("skewed, one of two variants", _FOUR[:2], shapes=("normal", "skewed")),
    Setting("skewed, the other only by seed", (0.0, 1.0), shapes=("normal", "skewed")),
    Setting("skewed and wide, the other only by seed", (0.0, 4.0), shapes=("normal", "skewed")),
    Setting("skewed and wide, the other hardly spreads", (0.1, 4.0), shapes=("normal", "skewed"), of_seeds=0.1),
)
ONE_BY_ONE = (
    Setting("six metrics in a table", _FOUR, num_metrics=6),
    Setting("40 images, big effects, two variants", _FOUR[:2], num_images=40, of_images=8.0),
    Setting("40 images, big effects, four variants", _FOUR, num_images=40, of_images=8.0),
    Setting("100 images, big effects, two variants", _FOUR[:2], num_images=100, of_images=8.0),
    Setting("100 images, big effects, four variants", _FOUR, num_images=100, of_images=8.0),
)
LOOKS = (
    Setting("a look after every seed from the second on, two variants", _FOUR[:2], looks=True),
    Setting("a look after every seed from the second on, four variants", _FOUR, looks=True),
)
COLLAPSING = (
    Setting("10 % of runs collapse, equal means, two variants", _FOUR[:2], collapsing=0.1),
    Setting("10 % of runs collapse, equal means, four variants", _FOUR, collapsing=0.1),
)
EFFECTS = (
    Setting("3 AP, spread of a difference 1, all three variants", _FOUR, effects=(0.0, 3.0, 3.0, 3.0)),
    Setting("3 AP, spread of a difference 1, one of three variants", _FOUR, effects=(0.0, 3.0, 0.0, 0.0)),
    Setting("3 AP, spread of a difference 1, two variants", _FOUR[:2], effects=(0.0, 3.0)),
    Setting("3 AP, spread of a run 1, all three variants", (1.0,) * 4, effects=(0.0, 3.0, 3.0, 3.0)),
)
_EIGHT = (_HALF,) * 8
FACTORS = (
    Setting("no effect", _EIGHT),
    Setting("no effect, one of eight variants spreads three times as far", (3 * _HALF, *_EIGHT[1:])),
    Setting("no effect, four of eight variants spread three times as far", (_HALF, 3 * _HALF) * 4),
    Setting("no effect, near 0", _EIGHT, level=0.7),
    Setting("no effect, all variants skewed", _EIGHT, shapes=("skewed",)),
    Setting("no effect, one variant skewed and wide", (4.0, *(0.1,) * 7), shapes=("skewed", *("normal",) * 7)),
    Setting("3 AP by one factor, spread of a run 1", (1.0,) * 8, effects=(0.0,) * 4 + (3.0,) * 4),
)


def simulate_studies(num_studies: int = 20000, seeds: Sequence[int] = (2, 3, 4, 5), seed: int = 0) -> Iterator[str]:
    """Lines of Markdown tables: rates of false calls, coverage of intervals and power, by setting and seeds."""
    yield from _table("no effect", ["any_call", "unflagged", "coverage"], NULLS, num_studies, seeds, seed)
    yield from _table(
        "images and metrics", ["any_call", "unflagged", "coverage"], ONE_BY_ONE, max(1, num_studies // 20), seeds, seed
    )
    yield from _table("looks", ["any_call"], LOOKS, num_studies, [5, 10], seed)
    yield from _table(
        "collapses", ["any_call", "unflagged", "unflagged_seen", "unscoped"], COLLAPSING, num_studies, seeds, seed
    )
    yield from _table("effects", ["power", "coverage"], EFFECTS, num_studies, seeds, seed)
    columns = ["any_call", "power", "coverage"]
    yield from _table("three factors", columns, FACTORS, max(1, num_studies // 20), seeds, seed, simulate_factors)


_TITLES = {
    "any_call": "called %",
    "unflagged": "called without a flag %",
    "unflagged_seen": "so, with a collapsed run %",
    "unscoped": "without flag or caution %",
    "coverage": "intervals that cover %",
    "power": "power %",
}


def _table(
    title: str,
    columns: Sequence[str],
    settings: Sequence[Setting],
    studies: int,
    seeds: Sequence[int],
    seed: int,
    simulated: Callable[[Setting, int, int, int], Rates] = simulate,
) -> Iterator[str]:
    """A line per setting; each cell has a rate per number of seeds."""
    of_seeds = f"{', '.join(map(str, seeds))} seeds"
    yield f"| {title}, {studies} studies; {of_seeds} | {' | '.join(_TITLES[of] for of in columns)} |"
    yield "|---|" + "---|" * len(columns)
    for setting in settings:
        rates = [simulated(setting, number, studies, seed) for number in seeds]
        yield f"| {setting.name} | {' | '.join(_cell(rates, of) for of in columns)} |"
    yield ""


def _cell(rates: Sequence[Rates], of: str) -> str:
    """Shares in percent, and the largest of their Monte-Carlo errors."""
    shares = [getattr(rate, of) for rate in rates]
    error = max(rate.error(share) for rate, share in zip(rates, shares, strict=True))
    return f"{', '.join(f'{100 * share:.1f}' for share in shares)} (±{100 * error:.1f})"


def add_to_bank(folders: Sequence[str | Path], bank: str | Path = BANK) -> list[dict[str, Any]]:
    """Add the variants of study folders to the bank, replacing those of the same study and name; returns those added.

    The name of a study in the bank is that of its folder. Runs without AP and variants with one run are left out.

    Raises:
        DataError: if a folder holds no variant with two finished runs, or runs on bootstrap samples.
    """
    added = [entry for folder in folders for entry in _entries(Path(folder))]
    new = {(entry["study"], entry["variant"]) for entry in added}
    known = json.loads(Path(bank).read_text(encoding="utf-8")) if Path(bank).is_file() else []
    kept = [entry for entry in known if (entry["study"], entry["variant"]) not in new]
    lines = ",\n".join(json.dumps(entry) for entry in [*kept, *added])
    write_text(Path(bank), f"[\n{lines}\n]\n")
    return added


def _entries(folder: Path) -> list[dict[str, Any]]:
    source = read_json(folder / "report.json", {}).get("facts", {}).get("command", folder.name)
    found = []
    for variant in sorted(path for path in folder.glob("*/") if any(_runs(path))):
        runs = {m[1]: path.parent for path, m in _runs(variant) if (end := read_end(path.parent)) and not end.error}
        if any(map(is_resampled, runs.values())):
            raise DataError(
                f"{variant}: its runs differ in their training images, those of the bank in their seeds only"
            )
        results = {seed: last_evaluation(run) for seed, run in runs.items()}
        metrics = {m.key: {s: m.value(line) for s, line in results.items() if m.value(line) >= 0} for m in COCO_METRICS}
        metrics = {key: {"values": values} for key, values in metrics.items() if len(values) > 1}
        if metrics:
            found.append(
                {"study": folder.resolve().name, "variant": variant.name, "source": source, "metrics": metrics}
            )
    if not found:
        raise DataError(f"{folder} holds no variant with two finished runs: the bank needs several seeds")
    return found


def _runs(variant: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    """Paths of the metrics of a variant's runs, and the match of their seed; without runs that were moved aside."""
    for path in sorted(variant.glob("seed*/metrics.json")):
        if match := re.fullmatch(r"seed(-?\d+)", path.parent.name):
            yield path, match
