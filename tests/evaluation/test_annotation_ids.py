"""Annotation ids that pycocotools would misread do not change results, and json files stay as they are."""

import pytest
from hostile.data_boxes import perfect_ap
from hostile.data_json import every, write

from retina_plugin.evaluation.truth import read_truth
from retina_plugin.study.evidence.matching import match_detections

IDS = {"from 0": lambda a: a["id"] - 1, "negative": lambda a: a["id"] - 7, "large": lambda a: 2**60 + a["id"]}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_a_perfect_detector_has_full_marks(ids, tmp_path):
    write(tmp_path, every(id=ids))
    before = (tmp_path / "instances.json").read_bytes()
    assert perfect_ap(tmp_path) > 99.99
    assert (tmp_path / "instances.json").read_bytes() == before


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_a_study_matches_every_object(ids, tmp_path):
    content = every(id=ids, area=None)
    write(tmp_path, content)
    detections = [
        {k: a[k] for k in ("image_id", "category_id", "bbox")} | {"score": 1.0} for a in content["annotations"]
    ]
    matches = match_detections(read_truth(str(tmp_path / "instances.json")), detections)
    assert matches.precision.min() > 0.9999
    assert matches.num_objects[0].sum() == len(detections)
