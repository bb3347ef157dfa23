"""Checkpoints that can be read, but that no training can continue from, and batches saved by somebody else."""

import copy
import functools
import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from detectron2.engine.hooks import LRScheduler
from detectron2.solver.lr_scheduler import LRMultiplier
from fvcore.common.param_scheduler import LinearParamScheduler
from torch import nn

from retina_plugin.config import get_config
from retina_plugin.engine.checkpoint import RunCheckpointer
from retina_plugin.engine.ema import WeightAverage
from retina_plugin.engine.reliability.guard import NonFiniteGuard, load_dump
from retina_plugin.engine.reliability.identity import RunIdentity
from retina_plugin.engine.trainer import Trainer, Update

from .tries import Try

Change = Callable[[dict[str, Any]], Any]


def tries() -> Iterator[Try]:
    """All tries with states and batches."""
    yield from _passed_over()
    yield from _refused()
    yield from _batches()


def put(path: str, value: Any) -> Change:
    """A change of one value in nested dicts and lists, by its dotted path."""

    def change(content: dict[str, Any]) -> None:
        *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
        for key in parents:
            content = content[key]
        content[last] = value

    return change


def drop(path: str) -> Change:
    """The removal of one value."""

    def change(content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for key in parents:
            content = content[key]
        del content[last]

    return change


GROUP, STATE = "trainer.optimizer.param_groups.0", "trainer.optimizer.state.0"
INCONSISTENT: dict[str, Change] = {
    "an iteration that is None": put("iteration", None),
    "an iteration that is a string": put("iteration", "x\x1b[2J"),
    "a negative iteration": put("iteration", -5),
    "a huge iteration": put("iteration", 1 << 5000),
    "an iteration that is nan": put("iteration", math.nan),
    "an iteration that is a tensor": put("iteration", torch.ones(3)),
    "no iteration": drop("iteration"),
    "no trainer": drop("trainer"),
    "a trainer that is a list": put("trainer", []),
    "a trainer that is a tensor": put("trainer", torch.ones(2)),
    "a trainer without iteration": drop("trainer.iteration"),
    "a trainer with an iteration of text": put("trainer.iteration", "3"),
    "no optimizer": drop("trainer.optimizer"),
    "an optimizer that is a string": put("trainer.optimizer", "SGD"),
    "groups of parameters that are None": put("trainer.optimizer.param_groups", None),
    "no groups of parameters": put("trainer.optimizer.param_groups", []),
    "a group of parameters that is a list": put(GROUP, [1]),
    "parameters that are a string": put(f"{GROUP}.params", "01"),
    "fewer parameters": put(f"{GROUP}.params", [0]),
    "a learning rate that is a string": put(f"{GROUP}.lr", "0.1"),
    "a learning rate that is nan": put(f"{GROUP}.lr", math.nan),
    "a momentum that is a list": put(f"{GROUP}.momentum", [0.9]),
    "an optimizer state that is a list": put("trainer.optimizer.state", [1, 2]),
    "a state of a parameter that is a number": put(STATE, 3),
    "a momentum of another shape": put(f"{STATE}.momentum_buffer", torch.ones(7)),
    "a momentum that is a string": put(f"{STATE}.momentum_buffer", "x"),
    "hooks that are a list": put("trainer.hooks", []),
    "a state of a hook that is None": put("trainer.hooks.LRScheduler", None),
    "a schedule whose step is a number": put("trainer.hooks.LRScheduler.step", 3),
    "a schedule with another optimizer": put("trainer.hooks.LRScheduler.optimizer", "x"),
    "a schedule with an epoch of text": put("trainer.hooks.LRScheduler.last_epoch", "x"),
    "a schedule with rates of text": put("trainer.hooks.LRScheduler.base_lrs", ["x"]),
    "a hook whose name clears the terminal": put("trainer.hooks", {"\x1b[2J": {}}),
    "metrics whose name clears the terminal": put(
        "trainer.hooks", {"MetricsState": {"scalars": {"loss\x1b[2J": {"values": [[1.0, 1]], "smooth": True}}}}
    ),
    "metrics without values": put(
        "trainer.hooks", {"MetricsState": {"scalars": {"loss": {"values": [], "smooth": True}}}}
    ),
    "metrics that were written in the future": put("trainer.hooks", {"MetricsState": {"last_write": 1 << 80}}),
    "a best result of text": put("trainer.hooks", {"BestCheckpointer": {"best": "x", "iteration": 1, "stale": 0}}),
    "a scaler of text": put("trainer.grad_scaler", {"scale": "x"}),
    "an identity that is a list": put("run", [1]),
    "an identity without config": drop("run.config"),
    "an identity with numbers": put("run.config", {"train.seed": 1}),
    "an identity whose data are a tensor": put("run.data", torch.ones(2)),
    "an average that is a string": put("ema", "x"),
    "an average of text": put("ema.model", {"weight": "x"}),
    "an average without its tensors": put("ema.model", {}),
    "an average after text steps": put("ema.steps", "x"),
    "weights that are nan": put("model.weight", torch.full((2, 2), torch.nan)),
    "weights that are complex": put("model.weight", torch.ones(2, 2, dtype=torch.complex64)),
    "weights that are a list": put("model", [torch.ones(2)]),
}


def _passed_over() -> Iterator[Try]:
    group = "a resume passes over inconsistent checkpoints"
    for name, change in INCONSISTENT.items():
        yield Try(group, name, partial(_write_run, change), _resume)


def _refused() -> Iterator[Try]:
    group = "a checkpoint that cannot be used says why"
    wide = put("model.weight", torch.ones(3, 2))
    yield Try(group, "of another model", partial(_write_run, wide), _resume, "belongs to another model: wrong shape")
    other = partial(_write_run, lambda content: content["run"]["config"].update({"train.seed": "5"}))
    yield Try(group, "of other settings", other, _resume, "began with other settings: train.seed was 5, now 0. Resume")
    no_settings = partial(_write_run, put("run.config", {"x\x1b[2J" * 99: "x" * 9999}))
    yield Try(group, "of no known settings", no_settings, _resume, r"x\\x1b.*\.\.\.;.* and \d+ more\. Resume it")
    program = partial(_write_run, lambda content: content["run"]["config"].update({"train.seed": "unittest.__main__"}))
    yield Try(group, "that names a program", program, _resume, "train.seed was unittest.__main__, now 0")
    both = partial(_write_run, put("trainer", []), first=put("iteration", None))
    yield Try(group, "two inconsistent ones", both, _resume, "none of the 2 checkpoints .* train anew without --resume")
    average = partial(_write_run, put("ema", "x"))
    yield Try(group, "with an average of text", average, _load_all, "^checkpoint .*3.pth .*ema is of type str")
    long = {f"{i:03}" + "x" * 400: torch.ones(1) for i in range(99)}
    names = partial(_write_run, put("ema", {"model": long, "steps": 1}))
    yield Try(group, "with long names", names, _load_all, "another model: missing: weight, bias; unknown: 000x+")


@functools.cache
def _config() -> Any:
    return get_config("quick/retinanet_tiny_synthetic.py")


def _checkpointer(folder: Path) -> RunCheckpointer:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trainer = Trainer(model, [[]], optimizer, Update(), NonFiniteGuard("stop", folder))
    trainer.register_hooks([LRScheduler(optimizer, LRMultiplier(optimizer, LinearParamScheduler(1, 0), 10))])
    trainer.test_schedule = trainer._hooks[0]._scheduler
    parts = {"run": RunIdentity(_config(), "data"), "trainer": trainer, "ema": WeightAverage(model, 0.9)}
    return RunCheckpointer(model, str(folder), **parts)


def _write_run(change: Change, folder: Path, first: Change = lambda content: None) -> None:
    """Two checkpoints of a run, of which the second is changed."""
    checkpointer = _checkpointer(folder)
    _step(checkpointer)
    checkpointer.save("model_0000001", iteration=1)
    content = torch.load(folder / "model_0000001.pth", weights_only=True)
    for path, iteration, edit in (("model_0000001.pth", 1, first), ("model_0000003.pth", 3, change)):
        changed = copy.deepcopy(content) | {"iteration": iteration}
        edit(changed)
        torch.save(changed, folder / path)
    checkpointer.tag_last_checkpoint("model_0000003.pth")


def _step(checkpointer: RunCheckpointer) -> None:
    """One step of training, with every part that has state."""
    trainer = checkpointer.checkpointables["trainer"]
    checkpointer.model(torch.ones(1, 2)).sum().backward()
    trainer.optimizer.step()
    trainer.test_schedule.step()
    checkpointer.checkpointables["ema"].update()


def _resume(folder: Path) -> None:
    """Resume from the first checkpoint, after one clear warning about the second."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("retina_plugin.engine.checkpoint").addHandler(handler)
    checkpointer = _checkpointer(folder)
    assert checkpointer.resume() == 2, "it did not resume from the first checkpoint"
    said = [record.getMessage() for record in records]
    assert len(said) == 1 and "model_0000003.pth" in said[0] and "Trying the previous one" in said[0], said
    assert said[0].isprintable() and len(said[0]) < 1000, said
    expected = torch.load(folder / "model_0000001.pth", weights_only=True)
    assert torch.equal(checkpointer.model.weight, expected["model"]["weight"]), "the weights are others"
    assert checkpointer.checkpointables["trainer"].iter == expected["trainer"]["iteration"]
    _step(checkpointer)


def _load_all(folder: Path) -> None:
    RunCheckpointer(nn.Linear(2, 2)).load_all(str(folder / "model_0000003.pth"))


def _batches() -> Iterator[Try]:
    group = "a batch that was not saved by a training is refused"
    image = {"image": torch.zeros(3, 8, 8, dtype=torch.uint8), "gt_boxes": torch.ones(1, 4)}
    image |= {"gt_classes": torch.zeros(1, dtype=torch.int64), "image_size": (8, 8)}
    good = {"iteration": 1, "model": {"w": torch.ones(1)}, "batch": [image], "dtype": None}
    for name, change in {
        "no batch": drop("batch"),
        "an empty batch": put("batch", []),
        "a batch of strings": put("batch", ["x"]),
        "a batch that is a dict": put("batch", {"image": 1}),
        "an image of two dimensions": put("batch.0.image", torch.zeros(3, 8)),
        "an image without pixels": put("batch.0.image", torch.zeros(3, 0, 8)),
        "an image of text": put("batch.0.image", "x\x1b[2J"),
        "boxes of three numbers": put("batch.0.gt_boxes", torch.ones(1, 3)),
        "more classes than boxes": put("batch.0.gt_classes", torch.zeros(2, dtype=torch.int64)),
        "classes that are fractions": put("batch.0.gt_classes", torch.zeros(1)),
        "a size of text": put("batch.0.image_size", ("x", "y")),
        "a model of text": put("model", "x"),
        "an iteration of text": put("iteration", "\x1b[2J"),
        "a precision of text": put("dtype", "half"),
    }.items():
        content = copy.deepcopy(good)
        change(content)
        write = partial(_write_batch, content)
        yield Try(group, name, write, _load_batch, r"^\S*x.pth is not a batch saved by a training: ")
    yield Try("healthy checkpoints are read", "a batch of a training", partial(_write_batch, good), _load_batch)
    evil = {"batch": [nn.Linear(1, 1)]}
    yield Try(group, "a batch with a module", partial(_write_batch, evil), _load_batch, "asks for torch.nn.modules")


def _write_batch(content: Any, folder: Path) -> None:
    torch.save(content, folder / "x.pth")


def _load_batch(folder: Path) -> None:
    assert len(load_dump(folder / "x.pth").batch) == 1
