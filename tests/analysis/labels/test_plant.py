"""Planted faults: as many as asked for, each of its kind, and all else as it was."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.mask import iou

from retina_plugin.analysis.labels.plant import plant_faults, planted_recall, right_proposals


def annotated(number, crowds=0):
    boxes = [
        {
            "id": i,
            "image_id": 1,
            "category_id": 1 + i % 3,
            "bbox": [7.0 * i, 3, 10 + i % 5, 8],
            "iscrowd": int(i < crowds),
        }
        for i in range(number)
    ]
    return {"images": [{"id": 1}], "annotations": boxes, "categories": [{"id": i, "name": str(i)} for i in (1, 2, 3)]}


@settings(max_examples=30, deadline=None)
@given(number=st.integers(0, 400), crowds=st.integers(0, 20), seed=st.integers(0, 2**31))
def test_planted_faults_are_what_the_list_says(number, crowds, seed):
    content = annotated(number, min(crowds, number))
    before = copy.deepcopy(content)
    faulty, planted = plant_faults(content, seed)
    assert content == before
    assert plant_faults(content, seed) == (faulty, planted)
    eligible = number - min(crowds, number)
    counts = {fault: sum(p.fault == fault for p in planted) for fault in ("deleted", "wrong class", "moved")}
    assert counts == {f: round(s * eligible) for f, s in (("deleted", 0.05), ("wrong class", 0.02), ("moved", 0.02))}
    assert len({p.before["id"] for p in planted}) == len(planted)
    changed = {p.before["id"]: p for p in planted}
    after = {a["id"]: a for a in faulty["annotations"]}
    assert after == {a["id"]: a for a in before["annotations"] if a["id"] not in changed} | {
        p.before["id"]: p.after for p in planted if p.after
    }
    for p in planted:
        assert not p.before["iscrowd"]
        if p.fault == "wrong class":
            assert p.after["category_id"] != p.before["category_id"] and p.after["bbox"] == p.before["bbox"]
        if p.fault == "moved":
            (overlap,) = iou([p.after["bbox"]], [p.before["bbox"]], [0])[0]
            assert 0.49 / 1.51 - 0.01 < overlap < 0.7225 / 1.2775 + 0.01


def test_data_of_one_class_get_no_wrong_class():
    content = annotated(60)
    content["categories"] = content["categories"][:1]
    for annotation in content["annotations"]:
        annotation["category_id"] = 1
    assert {p.fault for p in plant_faults(content)[1]} == {"deleted", "moved"}


def entry(kind, annotation_id=None, new_bbox=None, image_id=1):
    return {"kind": kind, "annotation_id": annotation_id, "new_bbox": new_bbox, "image_id": image_id}


def test_recall_asks_for_the_place_of_a_deleted_box_and_the_annotation_of_others():
    _, planted = plant_faults(annotated(100), 3)
    deleted, wrong, moved = (
        next(p.before for p in planted if p.fault == f) for f in ("deleted", "wrong class", "moved")
    )
    x, y, width, height = deleted["bbox"]
    found = [
        entry("missing", new_bbox=[x, y, width, height * 0.6]),
        entry("spurious", wrong["id"]),
        entry("misplaced", moved["id"], [0, 0, 1, 1]),
    ]
    rows = {row["fault"]: (row["planted"], row["found"], row["right kind"]) for row in planted_recall(planted, found)}
    assert rows == {"deleted": (5, 1, 1), "wrong class": (2, 1, 0), "moved": (2, 1, 1)}
    elsewhere = [
        entry("missing", new_bbox=[x, y, width, height * 0.4]),
        entry("missing", new_bbox=deleted["bbox"], image_id=2),
        entry("spurious", deleted["id"]),
    ]
    assert [row["found"] for row in planted_recall(planted, elsewhere)] == [0, 0, 0]


def test_a_right_proposal_mends_its_fault_and_counts_once():
    _, planted = plant_faults(annotated(100), 3)
    deleted, wrong, moved = (next(p for p in planted if p.fault == f) for f in ("deleted", "wrong class", "moved"))
    category, x, *rest = deleted.before["category_id"], *moved.after["bbox"]
    third = 1 + 2 + 3 - wrong.before["category_id"] - wrong.after["category_id"]
    further, nearer = (x + way * (moved.before["bbox"][0] - x) for way in (-0.1, 0.5))
    found = [
        entry("missing", new_bbox=deleted.before["bbox"]) | {"new_category_id": category % 3 + 1},
        entry("missing", new_bbox=deleted.before["bbox"]) | {"new_category_id": category},
        entry("missing", new_bbox=deleted.before["bbox"]) | {"new_category_id": category},
        entry("spurious", wrong.before["id"]),
        entry("wrong class", wrong.before["id"]) | {"new_category_id": third},
        entry("wrong class", wrong.before["id"]) | {"new_category_id": wrong.before["category_id"]},
        entry("misplaced", moved.before["id"], [further, *rest]),
        entry("misplaced", moved.before["id"], [nearer, *rest]),
    ]
    numbered = [{"id": number} | one for number, one in enumerate(found, 1)]
    assert right_proposals(planted, numbered) == [2, 6, 8]


@pytest.mark.parametrize("shares", [{}, {"deleted": 1.0}])
def test_other_shares(shares):
    faulty, planted = plant_faults(annotated(20), 0, shares)
    assert len(faulty["annotations"]) == 20 - len(planted) == (0 if shares else 20)
