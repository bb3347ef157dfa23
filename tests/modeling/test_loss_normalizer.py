"""The foreground average: what it divides by, when it exchanges, and how it is saved."""

import time

import pytest
import torch
from conftest import ROOT
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage
from test_retinanet import batch, pluggable

from retina_plugin.config import load_config
from retina_plugin.engine.checkpoint import RunCheckpointer
from retina_plugin.engine.ema import WeightAverage
from retina_plugin.modeling.meta_arch import ForegroundAverage

OLD_RUN = ROOT / "tests" / "fixtures" / "old_runs" / "run"


def mask(num_pos, num_images=1):
    pos_mask = torch.zeros(num_images, 50, dtype=torch.bool)
    pos_mask[0, :num_pos] = True
    return pos_mask


def several_passes_without_gradients(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=2)
    model = pluggable()
    with torch.no_grad(), EventStorage():
        for _ in range(1 + 2 * rank):
            loss = model(batch())["loss_cls"]
    (folder / f"rank{rank}").write_text(f"{float(loss)} {float(model.loss_normalizer)}")


def test_processes_may_call_forward_unequally_often_without_gradients(tmp_path):
    processes = torch.multiprocessing.start_processes(
        several_passes_without_gradients, (tmp_path,), nprocs=2, join=False, start_method="fork"
    )
    deadline = time.monotonic() + 60
    try:
        while not (finished := processes.join(timeout=5)) and time.monotonic() < deadline:
            pass
        assert finished, "a forward pass without gradients waits for another process"
    finally:
        for process in processes.processes:
            process.kill()
    assert (tmp_path / "rank1").read_text().split()[1] == "100.0"


def test_without_gradients_the_average_is_used_as_if_it_had_moved():
    torch.manual_seed(0)
    model, data = pluggable(), batch()
    with torch.no_grad():  # and without an EventStorage
        without = {k: float(v) for k, v in model(data).items()}
    assert float(model.loss_normalizer) == 100
    with EventStorage():
        losses = model(data)
    assert without == {k: v.item() for k, v in losses.items()}
    assert float(model.loss_normalizer) != 100


def test_micro_batches_count_as_one_batch():
    whole, parts = ForegroundAverage(), ForegroundAverage()
    with EventStorage() as storage:
        whole(mask(30))
        with parts.accumulating(2) as rescaling:
            divisors = [float(parts(mask(n))) for n in (10, 20)]
            assert float(parts.loss_normalizer) == 100
        assert storage.latest()["num_pos_anchors"][0] == 15
    assert float(parts.loss_normalizer) == float(whole.loss_normalizer)
    assert divisors == [50, 50] and rescaling.factor == 100 / float(whole.loss_normalizer)


def test_an_interrupted_batch_leaves_nothing_behind():
    average = ForegroundAverage()
    with pytest.raises(KeyboardInterrupt), EventStorage(), average.accumulating(2):
        average(mask(40))
        raise KeyboardInterrupt
    with EventStorage():
        assert float(average(mask(10))) == 100 * 0.9 + 10 * (1 - 0.9)


def test_other_models_have_no_average():
    model = torch.nn.Linear(1, 1)
    model.foreground = torch.nn.Linear(1, 1)
    assert ForegroundAverage.of(model) is None
    assert ForegroundAverage.of(torch.nn.Linear(1, 1)) is None


@pytest.fixture(scope="module")
def old():
    return torch.load(OLD_RUN / "model_final.pth", weights_only=True)["model"]


def old_model():
    return instantiate(load_config(OLD_RUN / "config.yaml").model)


def test_old_checkpoints_load_strictly(old):
    model = old_model()
    assert float(model.loss_normalizer) == 100
    model.load_state_dict(old)
    assert float(model.loss_normalizer) == float(old["loss_normalizer"]) != 100
    assert "loss_normalizer" in old  # the caller's dict is left alone
    wrapped = torch.nn.ModuleDict({"module": old_model()})
    wrapped.load_state_dict({f"module.{k}": v for k, v in old.items()})
    assert float(wrapped["module"].loss_normalizer) == float(old["loss_normalizer"])


@pytest.mark.parametrize("checkpointer", [DetectionCheckpointer, RunCheckpointer])
def test_checkpointers_load_old_checkpoints(checkpointer, old):
    model = old_model()
    checkpointer(model).load(str(OLD_RUN / "model_final.pth"), checkpointables=[])
    assert float(model.loss_normalizer) == float(old["loss_normalizer"])


def test_an_old_average_of_the_weights_loads(old):
    average = WeightAverage(old_model(), 0.9)
    average.load_state_dict({"model": old, "steps": 3})
    assert float(average.model.loss_normalizer) == float(old["loss_normalizer"])


def test_new_state_dicts_go_back_and_forth(old):
    model, other = old_model(), old_model()
    model.load_state_dict(old)
    other.load_state_dict(model.state_dict())
    assert float(other.loss_normalizer) == float(old["loss_normalizer"])
