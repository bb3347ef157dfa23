"""Accepted proposals change a copy, and only what they name."""

import copy
import json

from retina_plugin.analysis.labels.proposals import Proposal
from retina_plugin.analysis.labels.repair import repair
from retina_plugin.data.coco_json.check import read_coco_json

CONTENT = {
    "info": {"year": 2024},
    "images": [{"id": 5, "file_name": "5.png", "width": 100, "height": 80}],
    "annotations": [
        {"id": 3, "image_id": 5, "category_id": 7, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 0},
        {"id": 9, "image_id": 5, "category_id": 7, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
        {
            "id": 4,
            "image_id": 5,
            "category_id": 2,
            "bbox": [0, 0, 9, 9],
            "segmentation": [[0, 0, 9, 0, 9, 9]],
            "note": "x",
        },
        {"id": 1, "image_id": 5, "category_id": 2, "bbox": [50, 0, 9, 9], "area": 81, "iscrowd": 0},
    ],
    "categories": [{"id": 7, "name": "seven"}, {"id": 2, "name": "two"}],
}


def proposal(number, kind, annotation_id, new_box, new_label):
    return Proposal(number, kind, 5, "5.png", annotation_id, None, None, new_box, new_label, 0.9, 1.0)


ACCEPTED = [
    proposal(4, "misplaced", 4, [1.004, 2, 11.004, 12.5], 0),
    proposal(1, "missing", None, [10, 20, 30.25, 50], 1),
    proposal(2, "wrong class", 3, [1, 2, 31, 42], 0),
    proposal(3, "spurious", 9, None, None),
]


def test_every_kind_is_carried_out_in_a_copy(tmp_path):
    before = copy.deepcopy(CONTENT)
    repaired, changes = repair(CONTENT, ACCEPTED, categories=[2, 7])
    assert CONTENT == before
    assert repaired["annotations"] == [
        CONTENT["annotations"][0] | {"category_id": 2},
        {"id": 4, "image_id": 5, "category_id": 2, "note": "x", "bbox": [1.0, 2, 10.0, 10.5], "area": 105.0},
        CONTENT["annotations"][3],
        {"id": 10, "image_id": 5, "category_id": 7, "iscrowd": 0, "bbox": [10, 20, 20.25, 30], "area": 607.5},
    ]
    assert {k: v for k, v in repaired.items() if k != "annotations"} == {
        k: v for k, v in CONTENT.items() if k != "annotations"
    }
    assert [(c["proposal"], c["kind"]) for c in changes] == [
        (p.id, p.kind) for p in sorted(ACCEPTED, key=lambda p: p.id)
    ]
    assert changes[0]["before"] is None and changes[2]["after"] is None
    assert changes[1] == {
        "proposal": 2,
        "kind": "wrong class",
        "before": CONTENT["annotations"][0],
        "after": repaired["annotations"][0],
    }
    (tmp_path / "repaired.json").write_text(json.dumps(repaired))
    read_coco_json(tmp_path / "repaired.json")


def test_nothing_accepted_changes_nothing():
    assert repair(CONTENT, [], categories=[2, 7]) == (CONTENT, [])
