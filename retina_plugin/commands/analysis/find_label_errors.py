"""Find faults of annotations with the detector of a run, and write a repaired copy."""

from collections.abc import Sequence
from pathlib import Path

from ...analysis.dense import Split
from ...analysis.labels.find import AnnotatedSet, examine_images
from ...analysis.labels.page import describe, write_page
from ...analysis.labels.pictures import draw_proposals
from ...analysis.labels.proposals import Proposal, propose
from ...analysis.labels.repair import repair
from ...data import DataError
from ...data.json_file import read_json
from ...files import write_json
from ...inference.images import create_folder, write_rgb
from ...printable import shown

PROPOSALS, PAGE, REPAIRED, CHANGES = "proposals.json", "labels.html", "repaired.json", "changes.json"


def find_label_errors(
    run: str | Path,
    output: str | Path,
    split: Split = "train",
    limit: int = 500,
    accept: str | None = None,
    trust: Sequence[str] = (),
    data_set: str | None = None,
) -> list[Proposal]:
    """List the `limit` strongest proposals for a run's split in proposals.json and labels.html; returns them.

    With `accept`, some of them are also carried out in repaired.json, listed in changes.json and drawn in changes/.
    "all" accepts those with strength above 0, a number N the first N, and a file name the ids in that file, one per
    line or as a json list. The annotations of the run stay as they are. `trust` lists modules of your own that its
    config may use. `data_set` is the name of one of the split's data sets, if it has several.

    Raises:
        ConfigError, CheckpointError: for an invalid run or checkpoint.
        DataError: if the data set is no COCO json or not chosen among several, an image cannot be read, `accept` names
            what is not listed, or `output` holds a repaired.json already.
        OSError: if `output` cannot be written to.
    """
    create_folder(output)
    if accept is not None and Path(output, REPAIRED).exists():
        raise DataError(f"{shown(Path(output, REPAIRED))} exists and is not overwritten: choose another output folder")
    choice = None if accept is None else _read_choice(accept)
    annotated, images = examine_images(run, split, trust, data_set)
    proposals = propose(images, len(annotated.categories))
    listed = proposals[:limit]
    content = {
        "run": str(run),
        "split": split,
        "json_file": str(annotated.json_file),
        "total": len(proposals),
        "proposals": [describe(p, annotated) for p in listed],
    }
    write_json(Path(output, PROPOSALS), content)
    write_page(Path(output, PAGE), annotated, listed, len(proposals))
    if choice is not None:
        _write_repaired(Path(output), annotated, _chosen(listed, choice))
    return listed


def _read_choice(accept: str) -> str | int | list[int]:
    """ "all", a number of proposals, or ids from a file."""
    if accept == "all":
        return accept
    if accept.isdecimal():
        return int(accept)
    path = Path(accept)
    if not path.is_file():
        raise DataError(f"--accept {shown(accept)} is neither all, a number nor a file with ids of proposals")
    try:
        ids = read_json(path) if path.suffix == ".json" else path.read_text(encoding="utf-8").split()
        return [int(str(number)) for number in ids]  # 1.5 and true are no ids
    except DataError:
        raise
    except (TypeError, ValueError) as e:
        raise DataError(f"{shown(path)} does not list ids of proposals, which are numbers from 1: {e}") from e


def _chosen(listed: Sequence[Proposal], choice: str | int | list[int]) -> list[Proposal]:
    if choice == "all":
        return [p for p in listed if p.strength > 0]
    if isinstance(choice, int):
        return list(listed[:choice])
    if unknown := sorted(set(choice) - {p.id for p in listed}):
        raise DataError(f"--accept names proposals {shown(unknown)}, which are not among the {len(listed)} listed ones")
    return [p for p in listed if p.id in set(choice)]


def _write_repaired(output: Path, annotated: AnnotatedSet, accepted: Sequence[Proposal]) -> None:
    content, changes = repair(annotated.content, accepted, annotated.categories)
    for proposal, picture in draw_proposals(accepted, annotated.by_image):
        write_rgb(output / "changes" / f"{proposal.id:05d}_{proposal.kind.replace(' ', '_')}.png", picture)
    write_json(output / CHANGES, changes)
    write_json(output / REPAIRED, content)
