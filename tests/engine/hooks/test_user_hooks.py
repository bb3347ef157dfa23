"""`train.hooks`: hooks that users add by config."""

import collections
import shutil

import pytest
import torch
from conftest import QUICK, train_args
from detectron2.engine import HookBase

from retina_plugin.config import ConfigError
from retina_plugin.engine import main
from retina_plugin.engine.reliability.verify import first_difference
from retina_plugin.engine.train import do_train
from retina_plugin.run_folder import read_metrics


class Count(HookBase):
    """Counts steps, over interruptions, into a scalar; knows the last evaluation when it runs."""

    def __init__(self, name="steps", by=1):
        self.name, self.by, self.count = name, by, 0

    def after_step(self):
        self.count += self.by
        self.trainer.storage.put_scalar(self.name, self.count, smoothing_hint=False)
        evaluated = "bbox/AP" in self.trainer.storage.latest()
        self.trainer.storage.put_scalar("seen", evaluated, smoothing_hint=False)

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state_dict):
        self.count = state_dict["count"]


ONE, TEN = (f"{{_target_: {__name__}.Count, name: {n}, by: {by}}}" for n, by in (("one", 1), ("ten", 10)))  # fmt: skip
BOTH = [f"train.hooks=[{ONE},{TEN}]", "train.eval_period=2"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    run = tmp_path_factory.mktemp("hooks") / "run"
    main(train_args(run, *BOTH))
    return run


def test_hooks_of_an_override_run_after_evaluation_and_before_the_writers(whole):
    steps = [m for m in read_metrics(whole) if "total_loss" in m]
    assert [m["one"] for m in steps] == [1, 2, 3, 4]
    assert [m["ten"] for m in steps] == [10, 20, 30, 40]
    assert [m["seen"] for m in steps] == [0, 1, 1, 1]


def test_two_hooks_of_one_class_are_resumed_exactly(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "model_final.pth").unlink()
    (run / "last_checkpoint").write_text("model_0000001.pth")
    main(train_args(run, *BOTH, resume=True))
    assert first_difference(whole, run) == ""
    hooks = torch.load(run / "model_final.pth", weights_only=True)["trainer"]["hooks"]
    assert hooks["Count"] == {"count": 4} and hooks["Count#2"] == {"count": 40}


def test_hooks_of_a_config_file_run(tmp_path):
    (tmp_path / "hooked.py").write_text(
        "from detectron2.config import LazyCall as L\n"
        f"from {__name__} import Count\n"
        "from retina_plugin import get_config\n"
        f"base = get_config({QUICK!r})\n"
        "synthetic, losses, box_losses = base.synthetic, base.losses, base.box_losses\n"
        "model, dataloader, optimizer = base.model, base.dataloader, base.optimizer\n"
        "lr_multiplier, train = base.lr_multiplier, base.train\n"
        "train.hooks = [L(Count)(name='mine', by=3)]\n"
    )
    main(train_args(tmp_path / "run", config_file=str(tmp_path / "hooked.py")))
    assert read_metrics(tmp_path / "run")[3]["mine"] == 12


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{_target_: torch.nn.Identity}", "is not a detectron2.engine.Hook"),
        ("7", r"7, which is not a detectron2.engine.HookBase: list hooks as L\(YourHook\)"),
        (f"{{_target_: {__name__}.Count, nam: 1}}", r"train.hooks.1.nam is unknown"),
        ("{_target_: detectron2.engine.hooks.EvalHook, eval_period: a}", "cannot be built"),
    ],
)
def test_an_entry_that_is_not_a_hook_is_named(entry, message, tmp_path):
    with pytest.raises(ConfigError, match=message) as error:
        main(train_args(tmp_path / "run", f"train.hooks=[{ONE},{entry}]"))
    assert "train.hooks[1]" in str(error.value) or "train.hooks.1" in str(error.value)
    assert not (tmp_path / "run").exists()


class _Keeps(HookBase):
    def __init__(self, state):
        self.state = state

    def state_dict(self):
        return self.state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"last": collections.deque([1])}, "it asks for collections.deque"),
        ({"score": lambda: 0}, "pickle"),
        ([1], "of type list, not a mapping"),
        ({2: 1}, "of type dict, not a mapping of names"),
    ],
)
def test_a_state_that_no_resumed_run_could_read_is_named_after_the_first_step(tiny_cfg, state, message):
    hook = _Keeps(state)
    with pytest.raises(ConfigError, match=f"the state of hook _Keeps cannot be read again.*{message}"):
        do_train(tiny_cfg(), hooks=[hook])
    assert hook.trainer.iter == 0


def test_hooks_of_a_call_see_the_step_after_which_training_stops(tiny_cfg):
    hook = Count()
    cfg = tiny_cfg("train.max_minutes=0")
    do_train(cfg, hooks=[hook])
    assert hook.count == 1
