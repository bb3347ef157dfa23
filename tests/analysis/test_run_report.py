"""The page of a run: what it has of training, evaluation and config."""

import html
import json

import pytest

from retina_plugin.analysis.run_report import _draw, _training, write_run_report
from retina_plugin.config import ConfigError


def test_the_page_has_training_findings_errors_and_config(trained_run, tmp_path, monkeypatch):
    evaluation = {"bbox/AP": 1.0, "best_F1/score_thresh": 0.25}
    monkeypatch.setattr("retina_plugin.analysis.run_report.last_evaluation", lambda run: evaluation)
    page = write_run_report(trained_run, tmp_path / "page.html", max_images=2)
    source = page.read_text(encoding="utf-8")
    text = html.unescape(source)
    assert "http" not in text.replace("http://www.w3.org", "")
    for part in ("Training", "What the doctor says", "The cost of each type of error", "Last evaluation", "Config"):
        assert f"<h2>{part}</h2>" in source
    assert (trained_run / "config.yaml").read_text() in text
    assert f"retina train --config-file {trained_run}/config.yaml" in text
    assert f"<code>retina doctor --config-file {trained_run}/config.yaml</code> examines" in text
    assert "best F1 of all detections together is" in text and "draws from 0.250 on" in text
    assert not (trained_run / "report.html").exists()


def test_training_is_what_metrics_json_recorded(tmp_path):
    lines = [{"iteration": i, "time": 3.0, "loss_cls": 1.0 / (i + 1), "lr": 0.0} for i in (9, 19)]
    lines.append({"iteration": 20, "bbox/AP": 12.5, "bbox/APs": float("nan")})
    (tmp_path / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "config.yaml").write_text("a: 1\n")
    found = _training(tmp_path)
    assert (found["iterations"], found["minutes"]) == (20, 1.0)
    assert found["predicts_from"] is None
    assert found["evaluation"] == {"bbox/AP": 12.5, "bbox/APs": pytest.approx(float("nan"), nan_ok=True)}
    assert len(found["figures"]) == 3  # losses, AP, learning rate
    (tmp_path / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines[:1]))  # interrupted
    assert (_training(tmp_path)["iterations"], _training(tmp_path)["minutes"]) == (10, 0.5)


def test_a_panel_shows_finite_values_and_is_left_out_without_any():
    metrics = [{"iteration": 1, "lr": 2.0}, {"iteration": 2, "lr": float("nan")}, {"iteration": 3}]
    figure = _draw(metrics, "learning rate", True, {"lr": "-", "x": "--"})
    (line,) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[1.0, 2.0]]
    assert _draw(metrics, "x", False, {"x": "-"}) is None


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is not a run folder"):
        write_run_report(tmp_path)


def test_a_file_that_cannot_be_written_is_named_before_the_run_is_read(tmp_path):
    (tmp_path / "file").touch()
    for output, message in (
        (tmp_path, "it is a folder; name a file"),
        (tmp_path / "file" / "x.html", "cannot write into"),
    ):
        with pytest.raises(OSError, match=message):
            write_run_report(tmp_path / "nowhere", output)
