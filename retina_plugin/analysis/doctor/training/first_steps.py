"""The first steps of a training, taken in this process without changing a weight or writing into the run folder."""

import contextlib
import copy
import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from detectron2.config import instantiate
from detectron2.evaluation import inference_context
from detectron2.utils.events import EventStorage
from omegaconf import DictConfig

from ....engine.hooks.memory_usage import peak_memory_mb
from ....engine.prior import resolve_prior
from ....engine.reliability.allocator import keep_freed_memory
from ....engine.reliability.signals import StopSignals
from ....engine.run import Run
from ....inference.optimize import optimize_for_inference
from ..subject import Subject

_WARM_UP, _ALIKE, _MEASURED = 1, 3, 6  # steps or images; _ALIKE suffice if their times agree
_SPREAD = 0.1  # of the median; times agree if they differ by less
_LONGEST = 60.0  # seconds, after which measuring stops


@dataclass(frozen=True)
class FirstSteps:
    """Measurements of the first steps.

    Attributes:
        losses: losses of the first batch with the initial weights, by name.
        num_pos_anchors: foreground anchors per image of the first batch.
        step_seconds: median time of a step, including data loading.
        image_seconds: median time of an image in an evaluation, including data loading.
        memory_mb: peak of the GPU's memory or, without one, of this process.
        problem: why the first batch cannot be trained on; empty if it can.
    """

    losses: dict[str, float]
    num_pos_anchors: float
    step_seconds: float
    image_seconds: float
    memory_mb: float
    problem: str = ""


@functools.lru_cache(maxsize=1)
def first_steps(subject: Subject) -> FirstSteps:
    """Take some steps and detect objects in some test images, as a training does.

    Raises:
        ValueError, OSError: if the training could not begin either.
    """
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder, EventStorage() as storage:
        run = _run(copy.deepcopy(subject.cfg), folder)
        run.trainer.storage, run.trainer.iter, run.trainer.max_iter = storage, 0, 0
        try:
            seconds, losses = _steps(run, storage)
        except FloatingPointError as e:
            return FirstSteps({}, 0.0, 0.0, 0.0, 0.0, str(e).partition(". The batch is saved")[0])
        finally:
            run.trainer._hooks.clear()  # they would evaluate
            run.trainer.after_train()
        found = storage.histories().get("num_pos_anchors")
        positives = found.values()[0][0] if found else 0.0
        memory = peak_memory_mb(next(run.model.parameters()).device)
        return FirstSteps(losses, positives, seconds, _image_seconds(run), memory)


def _run(cfg: DictConfig, folder: str) -> Run:
    cfg.train.output_dir, cfg.train.nonfinite = folder, "stop"
    resolve_prior(cfg)
    run = Run(cfg, False, lambda _: {}, StopSignals())
    run.load(resume=False)
    for group in run.trainer.optimizer.param_groups:
        group["lr"] = 0.0  # the same work, but the weights stay
    return run


def _steps(run: Run, storage: EventStorage) -> tuple[float, dict[str, float]]:
    """Median seconds of a step, and the losses of the first one."""

    def step() -> None:
        run.trainer.iter = storage.iter
        run.trainer.run_step()
        storage.step()

    seconds = _median_seconds(step)
    return seconds, {k: h.values()[0][0] for k, h in storage.histories().items() if k.startswith("loss_")}


def _image_seconds(run: Run) -> float:
    """Median seconds of an image of the test data, for a detector as evaluations use it."""
    model = optimize_for_inference(run.evaluated)
    batches = iter(instantiate(run.cfg.dataloader.test))
    with inference_context(model), torch.no_grad():
        return _median_seconds(lambda: model(next(batches)))


def _median_seconds(action: Callable[[], object]) -> float:
    """Median time of an action after warming up.

    Stops early if times agree, after `_LONGEST` seconds, or if the action raises StopIteration.
    """
    seconds: list[float] = []
    with contextlib.suppress(StopIteration):
        while not _are_enough(seconds[_WARM_UP:]) and sum(seconds) < _LONGEST:
            start = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[_WARM_UP:] or seconds[-1:] or [0.0])


def _are_enough(seconds: Sequence[float]) -> bool:
    """Whether these are `_MEASURED` times, or at least `_ALIKE` that agree."""
    if len(seconds) >= _MEASURED:
        return True
    return len(seconds) >= _ALIKE and max(seconds) - min(seconds) < _SPREAD * statistics.median(seconds)
