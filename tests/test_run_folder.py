"""Readers of a run folder."""

import json

import pytest
from omegaconf.errors import ReadonlyConfigError

from retina_plugin.config import ConfigError
from retina_plugin.run_folder import last_evaluation, read_config


def write_metrics(folder, *lines):
    (folder / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("key", ["bbox/AP", "segm/AP", "validation/loss_cls"])
def test_the_last_evaluation_is_that_of_any_evaluator(key, tmp_path):
    training = {"iteration": 9, "loss_cls": 0.5}
    write_metrics(
        tmp_path, training, {"iteration": 5, key: 1.0}, {"iteration": 10, key: 2.0}, training
    )
    assert last_evaluation(tmp_path) == {"iteration": 10, key: 2.0}


def test_without_an_evaluation_it_is_empty(tmp_path):
    assert last_evaluation(tmp_path) == {}
    write_metrics(tmp_path, {"iteration": 9, "loss_cls": 0.5})
    assert last_evaluation(tmp_path) == {}


def test_a_config_is_read_once_until_its_file_changes(trained_run, tmp_path):
    assert read_config(trained_run) is read_config(trained_run)
    with pytest.raises(ReadonlyConfigError):
        read_config(trained_run).train.seed = 7
    with pytest.raises(ConfigError, match="does not exist"):
        read_config(tmp_path)
    (tmp_path / "config.yaml").write_text((trained_run / "config.yaml").read_text())
    assert read_config(tmp_path).train.seed == read_config(trained_run).train.seed
