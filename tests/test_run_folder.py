"""Readers of a run folder."""

import json

import pytest

from retina_plugin.config import ConfigError
from retina_plugin.run_folder import DETECTIONS, last_evaluation, read_config, read_detections


def write_metrics(folder, *lines):
    (folder / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("key", ["bbox/AP", "segm/AP", "validation/loss_cls"])
def test_the_last_evaluation_is_that_of_any_evaluator(key, tmp_path):
    training = {"iteration": 9, "loss_cls": 0.5}
    write_metrics(tmp_path, training, {"iteration": 5, key: 1.0}, {"iteration": 10, key: 2.0}, training)
    assert last_evaluation(tmp_path) == {"iteration": 10, key: 2.0}


def test_without_an_evaluation_it_is_empty(tmp_path):
    assert last_evaluation(tmp_path) == {}
    write_metrics(tmp_path, {"iteration": 9, "loss_cls": 0.5})
    assert last_evaluation(tmp_path) == {}


def test_a_folder_that_does_not_exist_and_one_without_a_config_are_named(tmp_path):
    (tmp_path / "quick").mkdir()
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"config.yaml is a file: name the run folder"):
        read_config(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match=r"run folder .*/quik does not exist; did you mean .*/quick\?"):
        read_config(tmp_path / "quik")
    with pytest.raises(ConfigError, match=r"quick is not a run folder, the train.output_dir .* has no config.yaml"):
        read_config(tmp_path / "quick")


@pytest.mark.parametrize("content", ["[1, 2]", '{"image_id": 1}', '[{"image_id": 1}]', "[" * 10**5, "cut off"])
def test_detections_that_are_damaged_are_refused(content, tmp_path):
    path = tmp_path / DETECTIONS
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ValueError):  # with which a report goes on without them
        read_detections(tmp_path)
