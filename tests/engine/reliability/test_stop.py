"""Leaving before the end: signals, time, early stopping; and knobs of the trainer."""

import os
import signal
import time

import pytest
import torch
from conftest import train_args

from retina_plugin.config import ConfigError
from retina_plugin.engine import main
from retina_plugin.engine.reliability import signals
from retina_plugin.engine.reliability.verify import first_difference
from retina_plugin.inference.predictor import LazyPredictor
from retina_plugin.modeling import PluggableRetinaNet
from retina_plugin.run_folder import find_weights, read_metrics

EIGHT = ["train.max_iter=8", "train.log_period=3", "train.eval_period=3"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    run = tmp_path_factory.mktemp("whole") / "run"
    main(train_args(run, *EIGHT))
    return run


def during_iteration(monkeypatch, iteration, act):
    passes, forward = [], PluggableRetinaNet.forward

    def watched(self, batch):
        if self.training:
            passes.append(1)
            if len(passes) == iteration + 1:
                act()
        return forward(self, batch)

    monkeypatch.setattr(PluggableRetinaNet, "forward", watched)


@pytest.mark.parametrize(
    ("number", "iteration", "num_workers"),
    [(signal.SIGTERM, 0, 0), (signal.SIGTERM, 4, 2), (signal.SIGINT, 4, 0), (signal.SIGINT, 0, 2)],
)
def test_a_signal_saves_the_step_and_leaves(number, iteration, num_workers, whole, tmp_path, monkeypatch):
    args = train_args(tmp_path / "run", *EIGHT, f"dataloader.train.num_workers={num_workers}")
    handler = signal.getsignal(number)
    with monkeypatch.context() as m, pytest.raises(SystemExit) as end:
        during_iteration(m, iteration, lambda: os.kill(os.getpid(), number))
        main(args)
    assert end.value.code == 128 + number and signal.getsignal(number) is handler
    assert find_weights(tmp_path / "run").name == f"model_{iteration:07d}.pth"
    args.resume = True
    main(args)
    assert first_difference(whole, tmp_path / "run") == ""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once(second, tmp_path, monkeypatch):
    monkeypatch.setattr(signals, "_ONE_REQUEST", 0.0)

    def twice():
        for number in (signal.SIGTERM, second):
            os.kill(os.getpid(), number)

    during_iteration(monkeypatch, 3, twice)
    with pytest.raises(SystemExit):
        main(train_args(tmp_path / "run", *EIGHT))
    assert find_weights(tmp_path / "run").name == "model_0000001.pth"


def test_the_time_limit_saves_and_leaves(whole, tmp_path):
    main(train_args(tmp_path / "run", *EIGHT, "train.max_minutes=0.0"))
    assert find_weights(tmp_path / "run").name == "model_0000000.pth"
    main(train_args(tmp_path / "run", *EIGHT, resume=True))
    assert first_difference(whole, tmp_path / "run") == ""


def test_a_jump_of_the_clock_stops_nothing(whole, tmp_path, monkeypatch):
    now = time.time
    with monkeypatch.context() as m:
        m.setattr(time, "time", lambda: now() + 1e7 * (os.getpid() % 7 + 1))
        main(train_args(tmp_path / "run", *EIGHT, "train.max_minutes=60"))
    assert first_difference(whole, tmp_path / "run") == ""


def test_training_ends_when_nothing_improves(tmp_path):
    opts = [*EIGHT, "train.eval_period=1", "train.best_checkpointer.val_metric=num_pos_anchors"]
    opts += ["train.max_iter=40", "train.early_stopping=2", "train.log_period=1"]
    results = main(train_args(tmp_path / "run", *opts))
    counts = [m["num_pos_anchors"] for m in read_metrics(tmp_path / "run") if "bbox/AP" in m]
    assert len(read_metrics(tmp_path / "run")) < 40 and len(counts) >= 3
    last = torch.load(tmp_path / "run" / "model_final.pth", weights_only=True)["iteration"]
    best = torch.load(tmp_path / "run" / "model_best.pth", weights_only=True)["iteration"]
    assert last == best + 2
    before = (tmp_path / "run" / "model_final.pth").read_bytes()
    again = main(train_args(tmp_path / "run", *opts, resume=True))  # it does not begin again
    assert results.keys() == again.keys() and results["bbox"].keys() == again["bbox"].keys()
    assert again["bbox"]["AP"] == pytest.approx(results["bbox"]["AP"], nan_ok=True)
    assert (tmp_path / "run" / "model_final.pth").read_bytes() == before
    with pytest.raises(ConfigError, match="set train.eval_period"):
        main(train_args(tmp_path / "run", "train.early_stopping=1"))


def test_a_metric_that_no_evaluation_gives_ends_nothing_early(tmp_path):
    opts = ["train.eval_period=1", "train.best_checkpointer.val_metric=bbox/AP_typo", "train.early_stopping=1"]
    main(train_args(tmp_path / "run", *opts, "train.max_iter=4"))
    assert torch.load(tmp_path / "run" / "model_final.pth", weights_only=True)["iteration"] == 3


def test_averaged_weights_are_those_of_the_formula_and_predict(tmp_path):
    opts = ["train.ema_decay=0.75", "train.checkpointer.period=1"]
    main(train_args(tmp_path / "run", *opts, "train.checkpointer.max_to_keep=null"))
    name, steps = "head.cls_score.weight", []
    for part in ("0000000", "0000001", "0000002", "final"):
        steps.append(torch.load(tmp_path / "run" / f"model_{part}.pth", weights_only=True))
    average = steps[0]["model"][name].double()
    for step in steps[1:]:
        average = 0.75 * average + 0.25 * step["model"][name].double()
    kept = steps[-1]["ema"]["model"]
    torch.testing.assert_close(kept[name].double(), average, rtol=1e-6, atol=1e-9)
    predictor = LazyPredictor.from_run(tmp_path / "run")
    assert torch.equal(predictor.model.state_dict()[name], kept[name])


def test_frozen_modules_stay_as_they_are(tmp_path):
    frozen = ["train.freeze=[backbone.bottom_up]", "train.max_iter=2"]
    main(train_args(tmp_path / "run", *frozen))
    main(train_args(tmp_path / "start", *frozen, "optimizer.lr=0.0", "optimizer.weight_decay=0.0"))
    one, start = (torch.load(tmp_path / r / "model_final.pth", weights_only=True)["model"] for r in ("run", "start"))
    same = {k: torch.equal(one[k], start[k]) for k in one}
    assert all(same[k] for k in one if k.startswith("backbone.bottom_up."))
    assert not same["head.cls_score.weight"] and not same["backbone.fpn_lateral3.weight"]
    with pytest.raises(ConfigError, match="train.freeze names 'backbone.stem'"):
        main(train_args(tmp_path / "other", "train.freeze=[backbone.stem]"))


def test_bfloat16_trains_on_a_cpu_and_resumes(tmp_path):
    opts = ["train.amp.enabled=true", "train.deterministic=true"]
    main(train_args(tmp_path / "run", *opts))
    main(train_args(tmp_path / "float32"))
    main(train_args(tmp_path / "resumed", *opts, "train.max_minutes=0.0"))
    main(train_args(tmp_path / "resumed", *opts, resume=True))
    torch.use_deterministic_algorithms(False)
    assert first_difference(tmp_path / "run", tmp_path / "resumed") == ""
    half, full = (read_metrics(tmp_path / r)[0]["total_loss"] for r in ("run", "float32"))
    assert half != full and half == pytest.approx(full, rel=0.05)


def test_the_validation_loss_is_the_sum_over_the_set_per_foreground_anchor(tmp_path, tiny_cfg):
    from retina_plugin.engine.setup import build_model
    from retina_plugin.evaluation import build_annotated_loader, validation_loss

    main(train_args(tmp_path / "run", "train.val_loss=true", "train.eval_period=2"))
    lines = [m for m in read_metrics(tmp_path / "run") if "validation/loss_cls" in m]
    assert [m["iteration"] for m in lines] == [1, 4]
    cfg = tiny_cfg()
    model = build_model(cfg).train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    by_one = validation_loss(model, build_annotated_loader(cfg))
    cfg.dataloader.test.batch_size = 4
    at_once = validation_loss(model, build_annotated_loader(cfg))
    assert at_once == pytest.approx(by_one, rel=1e-5) and set(at_once) == {
        "loss_cls",
        "loss_box_reg",
    }
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert all(module.training for module in model.modules())
