"""Trainings and studies that are killed end as if they had not been, and the tool tells when they do not."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import forked
import pytest
from conftest import QUICK, TINY

from retina_plugin.commands import soak, trainings

SHORT = ["train.vis_period=0", "train.checkpointer.period=1", "train.max_iter=2"]


@pytest.fixture
def forked_commands(monkeypatch):
    """Commands of Python are forked; ps is not."""
    monkeypatch.setattr(trainings, "subprocess", forked)
    mixed = SimpleNamespace(**vars(subprocess) | {"Popen": forked.Popen})
    monkeypatch.setattr(soak, "subprocess", mixed)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_killed_trainings_are_bit_identical(num_processes, tmp_path, forked_commands, forked_ranks):
    found = list(soak.soak(QUICK, tmp_path, 1, [*TINY, *SHORT], seed=1, num_processes=num_processes))
    assert [kill.difference for kill in found] == [""]


def test_a_killed_study_is_bit_identical_and_a_difference_is_found(
    tmp_path, forked_commands, unseen_figures, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    text = dict(base=QUICK, variants={"ce": ["model.cls_loss=${losses.sigmoid_ce}"]})
    (tmp_path / "study.py").write_text(f"study = {text!r}")
    (kill,) = soak.soak_study(str(tmp_path / "study.py"), tmp_path / "runs", 1, [*TINY, *SHORT])
    assert kill.difference == ""
    whole, other = tmp_path / "runs/whole", next((tmp_path / "runs").glob("kill*"))
    (other / "ce/seed0/metrics.json").write_text("")
    assert "ce/seed0: metrics.json has" in soak._difference_of_studies(whole, other)


def test_a_kill_after_the_end_does_not_count(tmp_path, monkeypatch):
    alive = iter([False, True])
    monkeypatch.setattr(soak, "_kill_after", lambda *_, **__: next(alive))
    monkeypatch.setattr(soak, "run_to_the_end", lambda command: None)
    monkeypatch.setattr(soak, "first_difference", lambda one, other: "")
    (kill,) = soak.soak(QUICK, tmp_path, 1)
    assert kill.place == "the start" and next(alive, None) is None


def test_a_training_goes_into_its_folder_whatever_the_overrides_say():
    assert trainings.train_command("x.py", Path("whole"), ["train.output_dir=mine"])[-1] == "train.output_dir='whole'"
