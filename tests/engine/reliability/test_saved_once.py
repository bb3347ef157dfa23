"""Each state of a run is saved once, and at every moment a whole checkpoint is there to go on from."""

from contextlib import suppress
from pathlib import Path

import pytest
import torch
from conftest import train_args
from torch import nn

from retina_plugin.engine import main
from retina_plugin.engine.checkpoint import RunCheckpointer
from retina_plugin.run_folder import checkpoints, find_weights

PERIOD_1 = ["train.checkpointer.period=1", "train.checkpointer.max_to_keep=null"]


def iterations(run):
    """The iteration of every checkpoint to resume from, by file name."""
    files = set(run.glob("model_*.pth")) - {run / "model_best.pth"}
    return {path.name: torch.load(path, weights_only=True)["iteration"] for path in sorted(files)}


def test_the_last_state_is_the_final_checkpoint_alone(tmp_path):
    main(train_args(tmp_path / "run", *PERIOD_1, "train.max_iter=3"))
    assert iterations(tmp_path / "run") == {"model_0000000.pth": 0, "model_0000001.pth": 1, "model_final.pth": 2}


def test_so_it_is_when_training_ends_early(tmp_path):
    opts = [*PERIOD_1, "train.eval_period=1", "train.early_stopping=1", "train.max_iter=50", "optimizer.lr=0.0"]
    main(train_args(tmp_path / "run", *opts))
    found = iterations(tmp_path / "run")
    assert sorted(found.values()) == list(range(found["model_final.pth"] + 1)) and len(found) < 50
    main(train_args(tmp_path / "run", *opts, resume=True))  # is still at its end
    assert iterations(tmp_path / "run") == found and find_weights(tmp_path / "run").name == "model_final.pth"


def test_a_finished_run_that_goes_on_keeps_its_former_end_under_its_iteration(tmp_path):
    run, opts = tmp_path / "run", [*PERIOD_1, "train.accept_changes=true"]
    main(train_args(run, *opts, "train.max_iter=2"))
    main(train_args(run, *opts, "train.max_iter=5", "train.max_minutes=0.0", resume=True))
    assert iterations(run) == {f"model_{i:07d}.pth": i for i in range(3)}
    assert find_weights(run).name == "model_0000002.pth"
    main(train_args(run, *opts, "train.max_iter=5", resume=True))
    assert iterations(run) == {f"model_{i:07d}.pth": i for i in range(4)} | {"model_final.pth": 4}


class Crash(BaseException):
    pass


def train(folder, end):
    """As a training of `end` iterations with a checkpoint after each, whose weights are the number of iterations."""
    model = nn.Linear(1, 1)
    saving = RunCheckpointer(model, str(folder))
    start = saving.resume() if checkpoints(folder) else 0
    if start >= end:
        saving.keep_as_final()
    for iteration in range(start, end):
        nn.init.constant_(model.weight, iteration)
        saving.save("model_final" if iteration + 1 == end else f"model_{iteration:07d}", iteration=iteration)


@pytest.mark.parametrize("step", range(10))
def test_a_crash_between_any_two_steps_leaves_a_whole_checkpoint(step, tmp_path, monkeypatch):
    train(tmp_path, 2)
    steps = iter(range(99))

    def crashing(original):
        def call(*args, **kwargs):
            if next(steps) == step:
                raise Crash
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, crashing(getattr(Path, name)))
        with suppress(Crash):
            train(tmp_path, 4)
    last = torch.load(find_weights(tmp_path), weights_only=True)
    assert last["iteration"] == last["model"]["weight"].item() >= 1
    train(tmp_path, 4)
    assert iterations(tmp_path) == {f"model_{i:07d}.pth": i for i in range(3)} | {"model_final.pth": 3}
    assert (tmp_path / "last_checkpoint").read_text() == "model_final.pth"
