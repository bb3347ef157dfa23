"""Updates that are not finite are named, saved, replayed, or skipped."""

import math

import pytest
import torch
from conftest import train_args
from detectron2.engine.hooks import CallbackHook
from detectron2.utils.events import get_event_storage

from retina_plugin.commands.replay import replay
from retina_plugin.config import ConfigError
from retina_plugin.engine import main
from retina_plugin.engine.reliability.guard import NonFiniteError, NonFiniteGuard, load_dump
from retina_plugin.engine.trainer import Trainer, Update
from retina_plugin.modeling import PluggableRetinaNet

_FORWARD = ("loss_normalizer", "running_mean", "running_var", "num_batches_tracked")
SAVE_ALL = ["train.checkpointer.period=1", "train.checkpointer.max_to_keep=null"]


def spoil(monkeypatch, iteration, what):
    """Make one value NaN in the forward pass of one iteration, and whenever its batch is seen again."""
    passes, spoiled = [], []
    forward = PluggableRetinaNet.forward

    def spoiled_forward(self, batch):
        names = [x["file_name"] for x in batch]
        if self.training and not spoiled:
            passes.append(names)
            spoiled.extend(names if len(passes) == iteration + 1 else [])
        if not self.training or names != spoiled:
            return forward(self, batch)
        part, name = what
        if part == "loss":
            losses = forward(self, batch)
            return losses | {name: losses[name] * float("inf")}
        module = self.get_submodule(part)

        def hook(_, __, output):
            if name is None:
                return output * float("nan")
            if part == "backbone":
                return output | {name: output[name] * float("nan")}
            return [
                [t * float("nan") if i == name else t for i, t in enumerate(output[0])],
                output[1],
            ]

        handle = module.register_forward_hook(hook, prepend=True)
        try:
            return forward(self, batch)
        finally:
            handle.remove()

    monkeypatch.setattr(PluggableRetinaNet, "forward", spoiled_forward)
    return spoiled


@pytest.mark.parametrize(
    ("iteration", "what", "message"),
    [
        (0, ("backbone", "p5"), "feature p5 of the backbone is the first"),
        (2, ("head", 1), "pred_logits of level p4 is the first"),
        (1, ("loss", "loss_box_reg"), "all predictions are finite, but loss_box_reg is inf"),
    ],
)
def test_a_nan_is_named_and_can_be_replayed(what, message, iteration, tmp_path, monkeypatch):
    spoiled = spoil(monkeypatch, iteration, what)
    with pytest.raises(NonFiniteError) as error:
        main(train_args(tmp_path / "run", *SAVE_ALL))
    text = str(error.value)
    assert f"the update of iteration {iteration} is not finite" in text and message in text
    assert all(name in text for name in spoiled) and "retina replay" in text
    dump = tmp_path / "run" / "nonfinite" / f"iteration_{iteration:07d}_rank0.pth"
    assert [x["file_name"] for x in load_dump(dump).batch] == spoiled
    seen_again = replay(dump)
    assert message in seen_again and spoiled[0] in seen_again
    saved = sorted(p.name for p in (tmp_path / "run").glob("model_0*.pth"))
    assert saved == [f"model_{i:07d}.pth" for i in range(iteration)]


def test_after_the_cause_is_gone_the_run_goes_on(tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        spoil(m, 2, ("backbone", "p3"))
        with pytest.raises(NonFiniteError):
            main(train_args(tmp_path / "run", *SAVE_ALL))
    main(train_args(tmp_path / "run", *SAVE_ALL, resume=True))
    main(train_args(tmp_path / "whole", *SAVE_ALL))
    one, other = (torch.load(tmp_path / r / "model_final.pth", weights_only=True)["model"] for r in ("run", "whole"))
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_skip_leaves_the_weights_and_goes_on(tmp_path, monkeypatch):
    spoil(monkeypatch, 1, ("head", 0))
    main(train_args(tmp_path / "run", *SAVE_ALL, "train.nonfinite=skip"))
    before, after = (torch.load(tmp_path / "run" / f"model_{i:07d}.pth", weights_only=True)["model"] for i in (0, 1))
    assert all(torch.equal(before[k], after[k]) for k in before if not k.endswith(_FORWARD))
    assert (tmp_path / "run" / "model_final.pth").is_file()
    assert "Skipped: the update of iteration 1" in (tmp_path / "run" / "log.txt").read_text()


def test_nan_in_batchnorm_statistics_stops_the_run_despite_skip(tmp_path, monkeypatch):
    spoil(monkeypatch, 1, ("backbone.bottom_up.body.features.0.0", None))
    with pytest.raises(
        NonFiniteError,
        match="feature p3 .*BatchNorm statistics are not finite; skipping",
    ):
        main(train_args(tmp_path / "run", *SAVE_ALL, "train.nonfinite=skip"))


def test_ten_skips_in_a_row_stop_the_run(tmp_path):
    opts = ["model.pixel_std=[1e-38,1e-38,1e-38]", "train.max_iter=20", "train.nonfinite=skip"]
    opts.append("model.backbone.bottom_up.norm=FrozenBN")
    with pytest.raises(NonFiniteError, match="update of iteration 9 is not finite"):
        main(train_args(tmp_path / "run", *opts))


class OneNumber(torch.nn.Module):
    """A loss of 1 whose gradient is NaN or, in iterations before `until`, overflows when it is scaled up."""

    def __init__(self, gradient, until=math.inf):
        super().__init__()
        self.weight, self.gradient, self.until = torch.nn.Parameter(torch.zeros(())), gradient, until

    def forward(self, batch):
        gradient = self.gradient if get_event_storage().iter < self.until else 1.0
        loss = self.weight * 1.0
        loss.register_hook(lambda scaled: scaled * gradient)
        return {"loss_cls": loss + 1}


def train_in_float16(model, folder, steps):
    update, batch = Update(dtype=torch.float16, clip_grad_norm=0.5), [{"image": torch.zeros(3, 4, 4)}]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, [batch] * steps, optimizer, update, NonFiniteGuard("stop", folder))
    trainer.train(0, steps)
    return trainer


def test_of_many_skipped_updates_the_first_ten_are_saved(tmp_path):
    model, batch = OneNumber(math.nan), [{"image": torch.zeros(3, 4, 4)}]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, [batch] * 24, optimizer, Update(), NonFiniteGuard("skip", tmp_path))
    spoil_odd = CallbackHook(before_step=lambda t: setattr(model, "gradient", math.nan if t.iter % 2 else 1.0))
    trainer.register_hooks([spoil_odd])
    trainer.train(0, 24)
    assert [load_dump(path).iteration for path in sorted(tmp_path.iterdir())] == list(range(1, 20, 2))


@pytest.mark.parametrize("gradient", [math.nan, math.inf])
def test_gradients_that_no_loss_scale_makes_finite_stop_the_run(gradient, tmp_path):
    with pytest.raises(NonFiniteError, match="update of iteration 16 is not finite"):  # the scale begins at 2^16
        train_in_float16(OneNumber(gradient), tmp_path, 20)


def test_gradients_that_overflow_at_first_lower_the_loss_scale_only(tmp_path):
    model = OneNumber(math.inf, until=10)
    trainer = train_in_float16(model, tmp_path, 12)
    assert trainer.grad_scaler.get_scale() == 2**6
    assert model.weight.item() == pytest.approx(-0.1)  # of two updates, each clipped to .5
    assert trainer.storage.latest()["clipped_steps"][0] == 2


def test_a_file_that_is_not_a_saved_batch_is_named(tmp_path, trained_run):
    with pytest.raises(ConfigError, match="model_final.pth is not a batch"):
        load_dump(trained_run / "model_final.pth")
    with pytest.raises(ConfigError, match="no.pth is not a batch"):
        load_dump(tmp_path / "no.pth")
    with pytest.raises(ConfigError, match="train.nonfinite must be stop or skip"):
        main(train_args(tmp_path / "run", "train.nonfinite=ignore"))
