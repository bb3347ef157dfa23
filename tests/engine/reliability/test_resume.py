"""A run that was interrupted ends as if it had not been."""

import json
import shutil

import forked
import pytest
import torch
from conftest import QUICK, TINY, train_args

from retina_plugin.commands import trainings
from retina_plugin.commands.verify_resume import verify_resume
from retina_plugin.config import ConfigError
from retina_plugin.engine import main
from retina_plugin.engine.reliability.verify import first_difference
from retina_plugin.run_folder import read_metrics

LONG = ["train.max_iter=8", "train.checkpointer.period=1", "train.checkpointer.max_to_keep=null"]
LONG += ["train.eval_period=3", "train.log_period=2", "train.ema_decay=0.9"]
LONG += ["train.vis_period=4", "train.vis_images=1"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    run = tmp_path_factory.mktemp("whole") / "run"
    main(train_args(run, *LONG))
    return run


def interrupted(whole, tmp_path, checkpoint):
    """The run folder as if the process had vanished just before its end.

    The last state of a run was once saved as the checkpoint of its iteration, too.
    """
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.copy(run / "model_final.pth", run / "model_0000007.pth")
    for path in [*run.glob("model_[0-9]*.pth"), run / "model_final.pth"]:
        if path.name > checkpoint:
            path.unlink()
    (run / "last_checkpoint").write_text(checkpoint)
    with (run / "metrics.json").open("a") as f:
        f.write('{"iteration": 9, "total_lo')  # a line that was being written
    return run


@pytest.mark.parametrize(("iteration", "num_workers"), [(0, 2), (2, 0), (3, 2), (5, 0), (7, 0)])
def test_from_any_checkpoint_the_run_ends_the_same(whole, tmp_path, iteration, num_workers):
    run = interrupted(whole, tmp_path, f"model_{iteration:07d}.pth")
    results = main(train_args(run, *LONG, f"dataloader.train.num_workers={num_workers}", resume=True))
    assert first_difference(whole, run) == ""
    assert "AP" in results["bbox"]
    best = [torch.load(r / "model_best.pth", weights_only=True)["iteration"] for r in (whole, run)]
    assert best[0] == best[1]


def test_metrics_have_neither_gaps_nor_repeats(whole, tmp_path):
    run = interrupted(whole, tmp_path, "model_0000004.pth")
    main(train_args(run, *LONG, resume=True))
    lines = [json.loads(line) for line in (run / "metrics.json").read_text().splitlines()]
    steps = [line["iteration"] for line in lines if "total_loss" in line]
    assert steps == [1, 3, 5, 7]
    assert [line["iteration"] for line in lines if "bbox/AP" in line] == [2, 5, 8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimizer.lr=0.5", r"optimizer.lr was 0.001, now 0.5"),
        ("train.seed=3", "train.seed was 0, now 3"),
        (
            "synthetic.objects=[2,2]",
            "settings.objects.0 was 1, now 2.*the training data have other",
        ),
        ("model.cls_loss=${losses.softmax_ce}", "model.cls_loss._target_ was"),
        ("dataloader.train.total_batch_size=4", "total_batch_size was 2, now 4"),
    ],
)
def test_a_changed_config_is_refused_by_key_unless_accepted(whole, tmp_path, change, message):
    run = interrupted(whole, tmp_path, "model_0000004.pth")
    before = sorted((p.name, p.read_bytes()) for p in run.iterdir() if p.is_file())
    with pytest.raises(ConfigError, match=message):
        main(train_args(run, *LONG, change, resume=True))
    assert sorted((p.name, p.read_bytes()) for p in run.iterdir() if p.is_file()) == before


def test_an_accepted_change_goes_on(whole, tmp_path):
    run = interrupted(whole, tmp_path, "model_0000004.pth")
    changes = ["optimizer.lr=0.5", "optimizer.weight_decay=0.25", "train.accept_changes=true"]
    main(train_args(run, *LONG, *changes, resume=True))
    before, now = ({line["iteration"]: line["lr"] for line in read_metrics(r) if "lr" in line} for r in (whole, run))
    for iteration, lr in before.items():  # optimizer.lr was .001
        assert now[iteration] == pytest.approx(lr * (500 if iteration > 4 else 1))
    state = torch.load(run / "model_final.pth", weights_only=True)["trainer"]["optimizer"]
    assert {group["weight_decay"] for group in state["param_groups"]} >= {0.25}


def test_a_run_is_not_resumed_for_fewer_iterations_than_it_has(whole, tmp_path):
    run = interrupted(whole, tmp_path, "model_0000004.pth")
    before = (run / "metrics.json").read_bytes()
    with pytest.raises(ConfigError, match=r"train.max_iter=3 is less than the 5 iterations .* set train.max_iter=5"):
        main(train_args(run, *LONG, "train.max_iter=3", "train.accept_changes=true", resume=True))
    assert (run / "metrics.json").read_bytes() == before


def test_accepted_changes_without_any_change_nothing(whole, tmp_path):
    run = interrupted(whole, tmp_path, "model_0000004.pth")
    main(train_args(run, *LONG, "train.accept_changes=true", resume=True))
    assert first_difference(whole, run) == ""


def test_what_does_not_change_numbers_may_change(whole, tmp_path):
    run = interrupted(whole, tmp_path, "model_0000004.pth")
    free = ["train.vis_period=0", "train.checkpointer.period=2", "train.max_minutes=100"]
    main(train_args(run, *LONG, *free, resume=True))
    assert first_difference(whole, run) == ""


def test_verify_resume_finds_nothing_and_finds_a_planted_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(trainings, "subprocess", forked)
    assert verify_resume(QUICK, 4, tmp_path, TINY) == ""
    path = tmp_path / "resumed" / "model_final.pth"
    state = torch.load(path, weights_only=True)
    moments = state["trainer"]["optimizer"]["state"][3]["exp_avg_sq"].view(-1)
    moments[0] = torch.nextafter(moments[0], torch.tensor(1.0))
    torch.save(state, path)
    found = first_difference(tmp_path / "whole", tmp_path / "resumed")
    assert "optimizer.state.3.exp_avg_sq" in found and "1 of" in found
    with pytest.raises(ConfigError, match="holds runs already"):
        verify_resume(QUICK, 4, tmp_path, TINY)
    with pytest.raises(ConfigError, match="have no middle"):
        verify_resume(QUICK, 1, tmp_path / "other", TINY)
