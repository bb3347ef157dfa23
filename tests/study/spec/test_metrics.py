"""Metrics of a study file: names, keys of metrics.json, directions and units."""

import math

import pytest
from conftest import QUICK

from retina_plugin.config import ConfigError
from retina_plugin.study import load_study
from retina_plugin.study.spec.metrics import COCO_METRICS, Metric, read_metric, read_study_metrics

LOSS = {"key": "validation/loss_cls", "name": "validation loss", "higher_is_better": False}


def test_a_name_means_a_bbox_metric_and_a_slash_a_key():
    assert read_metric("AP50") == Metric("bbox/AP50", "AP50", True, "%")
    assert read_metric("segm/AP") == Metric("segm/AP", "segm/AP", True, "%")
    assert read_metric("sem_seg/mIoU").unit == ""
    assert not read_metric("validation/loss_cls").higher_is_better
    assert read_metric(LOSS) == Metric("validation/loss_cls", "validation loss", False, "")
    assert read_metric({"key": "accuracy"}) == Metric("accuracy", "accuracy", True, "")
    assert [m.name for m in COCO_METRICS] == ["AP", "AP50", "AP75", "APs", "APm", "APl"]


def test_a_metric_reads_its_value_from_metrics_json():
    line = {"bbox/AP": 30, "validation/loss_cls": 0.5, "iteration": 4, "bbox/APl": math.nan}
    assert COCO_METRICS[0].value(line) == 30.0 and read_metric(LOSS).value(line) == 0.5
    assert math.isnan(read_metric("APl").value(line)) and math.isnan(read_metric("APs").value(line))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "metrics is empty"),
        ("AP", "must be a list"),
        ([3], "metric 3 must be a name"),
        ([{"name": "x"}], r"dict\(key=\.\.\.\)"),
        ([{"key": "a/b", "better": "lower"}], "'better' is unknown"),
        ([{"key": "a/b", "higher_is_better": "no"}], "higher_is_better must be a bool"),
        (["AP", "bbox/AP"], r"\['AP'\] appear more than once"),
    ],
)
def test_invalid_metrics_are_refused(entries, message):
    with pytest.raises(ConfigError, match=message):
        read_study_metrics(entries)


def test_hypotheses_and_paper_refer_to_declared_metrics_by_name_or_key(tmp_path):
    content = {
        "base": QUICK,
        "variants": {"a": [], "b": ["train.max_iter=2"]},
        "metrics": [LOSS, "AP"],
        "hypotheses": [
            {"better": "a", "than": "b"},
            {"better": "a", "than": "b", "metric": "validation/loss_cls"},
            {"better": "b", "than": "a", "metric": "APs"},
        ],
        "paper": {"a": {"validation loss": 0.3, "AP": 34.0, "source": "Table 1"}},
    }
    (tmp_path / "study.py").write_text(f"study = {content!r}")
    study = load_study(tmp_path / "study.py")
    first, second, third = study.hypotheses
    assert first == second and not first.metric.higher_is_better
    assert str(first) == "a is better than b in validation loss"
    assert third.metric.key == "bbox/APs"
    assert study.paper["a"] == {"validation loss": 0.3, "AP": 34.0, "source": "Table 1"}
