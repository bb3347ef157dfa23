"""Plant faults in annotations, and count how many of them are found."""

from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from ...analysis.labels.plant import Planted, plant_faults, planted_recall, right_proposals
from ...data import DataError
from ...data.coco_json.check import read_coco_json
from ...data.json_file import read_json
from ...files import write_json, write_text
from ...printable import shown

ANNOTATIONS, FAULTS = "instances.json", "faults.json"


def plant_label_errors(json_file: str | Path, output: str | Path, seed: int = 0) -> list[Planted]:
    """Write a copy of a COCO json with faults as OUTPUT/instances.json, and their list as OUTPUT/faults.json.

    5 % of the boxes are deleted, 2 % get a wrong class, 2 % are moved. `seed` draws them.

    Raises:
        DataError: if the json is invalid, or OUTPUT holds such files already.
        OSError: if OUTPUT cannot be written to.
    """
    for path in (Path(output, name) for name in (ANNOTATIONS, FAULTS)):
        if path.exists():
            raise DataError(f"{shown(path)} exists and is not overwritten: choose another output folder")
    content, planted = plant_faults(read_coco_json(json_file), seed)
    write_json(Path(output, FAULTS), [asdict(fault) for fault in planted])
    write_json(Path(output, ANNOTATIONS), content)
    return planted


def count_found(faults: str | Path, proposals: str | Path, right: str | Path | None = None) -> str:
    """A table of how many planted faults are among the first N and 2 N proposals, where N is the number of faults.

    `faults` is the faults.json of `plant_label_errors`, `proposals` the proposals.json of `find_label_errors`. The ids
    of those of the first 2 N that mend a fault are written to the file `right`: what somebody who looks at every
    picture would give to `--accept`.

    Raises:
        DataError: if a file is missing, or its content has another form.
        OSError: if `right` cannot be written to.
    """
    try:
        planted = [Planted(**entry) for entry in read_json(faults)]
        found = read_json(proposals)["proposals"][: 2 * len(planted)]
        rows = {number: planted_recall(planted, found[:number]) for number in (len(planted), 2 * len(planted))}
        ids = right_proposals(planted, found) if right else []
    except (TypeError, KeyError) as e:
        raise DataError(f"{shown(faults)} and {shown(proposals)} are not a faults.json and a proposals.json") from e
    if right:
        write_text(Path(right), "".join(f"{number}\n" for number in ids))
    table = [{"first proposals": number} | row for number, own in rows.items() for row in own]
    return tabulate(table, headers="keys")
