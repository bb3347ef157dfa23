"""Training and looking at data from Python, as in a notebook."""

from itertools import islice

import numpy as np
import pytest

from retina_plugin.analysis.run_report import draw_metrics
from retina_plugin.commands import train as module
from retina_plugin.commands.train import train_config
from retina_plugin.commands.visualize_data import drawn_data
from retina_plugin.run_folder import last_evaluation


def test_a_training_shows_a_bar_and_leaves_the_rest_to_the_log(tiny_cfg, tmp_path, capfd):
    cfg = tiny_cfg()
    before = cfg.copy()
    metrics = train_config(cfg)
    shown = capfd.readouterr()
    assert cfg == before
    assert metrics["bbox"]["AP"] == last_evaluation(tmp_path / "run")["bbox/AP"]
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "eta" in log and "doctor:" in log
    assert shown.out == "" and "/4" in shown.err and "eta" not in shown.err
    assert shown.err.rpartition("\r")[2] == ""  # the bar is gone
    assert any(
        figure.axes[0].get_title(loc="left") == "losses of training" for figure in draw_metrics(tmp_path / "run")
    )


def test_an_interrupted_training_can_be_resumed(tiny_cfg, tmp_path, monkeypatch):
    def stop(*_):
        raise SystemExit(130)

    with monkeypatch.context() as patch:
        patch.setattr(module, "do_train", stop)
        with pytest.raises(KeyboardInterrupt, match="resume=True"):
            train_config(tiny_cfg())
    train_config(tiny_cfg("train.max_iter=2"))
    train_config(tiny_cfg("train.accept_changes=True"), resume=True)
    assert "Resuming at iteration 2" in (tmp_path / "run" / "log.txt").read_text()


def test_drawings_of_the_data_leave_the_config_as_it_is(tiny_cfg):
    cfg = tiny_cfg()
    before = cfg.copy()
    labelled, trained = (list(islice(drawn_data(cfg, source), 2)) for source in ("annotation", "dataloader"))
    assert cfg == before
    for name, image in labelled + trained:
        assert name.endswith(".png") and image.dtype == np.uint8 and image.shape[2] == 3
    assert labelled[0][0] != labelled[1][0]
