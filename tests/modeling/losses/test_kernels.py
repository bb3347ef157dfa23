"""Closed-form kernels: memory, threads, torch.compile and several processes."""

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn

from retina_plugin.modeling.losses import DenseTargets, SigmoidFocalLoss, SoftmaxFocalLoss
from retina_plugin.modeling.losses.kernels import chunks
from retina_plugin.modeling.losses.kernels.closed_form import summed_loss
from retina_plugin.registry import CLS_LOSS_REGISTRY

K = 6
CLOSED_FORM = [n for n, _ in CLS_LOSS_REGISTRY if n != "OHEMCrossEntropyLoss"]


def batch(loss, rows=500):
    torch.manual_seed(0)
    logits = torch.randn(rows, loss.num_logits(K), requires_grad=True)
    return logits, torch.randint(-1, K + 1, (rows,))


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_forward_keeps_one_tensor_of_the_size_of_the_logits(name):
    logits, labels = batch(loss := CLS_LOSS_REGISTRY.get(name)())
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        loss(logits, labels)
    assert [x.shape for x in kept] == [logits.shape]
    assert sum(x.nbytes for x in kept) <= 4.2 * logits.numel()


def test_no_gradient_is_computed_unless_needed():
    wanted = []

    def row_loss(logits, labels, with_grad):
        wanted.append(with_grad)
        return logits.sum(1), torch.ones_like(logits)

    logits, labels = batch(SigmoidFocalLoss())
    summed_loss(logits, labels, row_loss)
    summed_loss(logits.detach(), labels, row_loss)
    with torch.no_grad():
        summed_loss(logits, labels, row_loss)
    assert wanted == [True, False, False]


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_no_value_is_read_off_the_cpu(name):
    # reading a value of a meta tensor raises an error; on a GPU it would wait for the device
    loss = CLS_LOSS_REGISTRY.get(name)().to("meta")
    logits = torch.empty(500, loss.num_logits(K), device="meta", requires_grad=True)
    labels = torch.empty(500, dtype=torch.long, device="meta")
    weights = torch.empty(500, device="meta")
    (loss(logits, labels) + loss.dense_loss(logits, DenseTargets(labels, weights))).backward()
    assert logits.grad.shape == logits.shape


def test_gradient_has_the_strides_of_the_logits():
    channels_last = torch.randn(K, 50).t().requires_grad_()
    loss = SigmoidFocalLoss()(channels_last, torch.zeros(50, dtype=torch.long))
    assert torch.autograd.grad(loss, channels_last)[0].stride() == channels_last.stride()


def test_second_derivatives_are_refused():
    logits, labels = batch(loss := SigmoidFocalLoss())
    grad = torch.autograd.grad(loss(logits, labels), logits, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        grad.sum().backward()


def test_gradient_given_to_the_user_outlives_the_next_backward():
    logits, labels = batch(loss := SigmoidFocalLoss())
    first = torch.autograd.grad(loss(logits, labels), logits)[0]
    copy = first.clone()
    (7 * loss(logits, labels)).backward()
    torch.testing.assert_close(first, copy, rtol=0, atol=0)


def test_threads_do_not_change_the_settings_of_the_process(monkeypatch):
    monkeypatch.setattr(chunks, "_CPU_CHUNK_ELEMENTS", 64)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        logits, labels = batch(loss := SigmoidFocalLoss())
        loss(logits, labels).backward()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["SigmoidFocalLoss", "SoftmaxFocalLoss", "GHMCLoss"])
def test_inference_mode_reaches_the_threads(name, threads, monkeypatch):
    monkeypatch.setattr(chunks, "_CPU_CHUNK_ELEMENTS", 64)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        logits, labels = batch(loss := CLS_LOSS_REGISTRY.get(name)().eval())
        expected = loss(logits, labels)
        with torch.inference_mode():
            value = loss(logits, labels)
        assert value.is_inference() and torch.equal(value, expected)
        loss(logits, labels).backward()  # the threads leave it again
    finally:
        torch.set_num_threads(before)


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(chunks, "_CPU_CHUNK_ELEMENTS", 64)
    logits, _ = batch(loss := SoftmaxFocalLoss())
    with pytest.raises(RuntimeError):
        loss(logits, torch.full((len(logits),), K + 5))


@pytest.mark.parametrize("name", ["SigmoidFocalLoss", "SoftmaxFocalLoss", "GHMCLoss"])
def test_compiles_without_a_graph_break(name):
    logits, labels = batch(loss := CLS_LOSS_REGISTRY.get(name)().eval())
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    expected = torch.autograd.grad(3 * loss(logits, labels), logits)[0]
    value = compiled(logits, labels)
    torch.testing.assert_close(value, loss(logits, labels))
    torch.testing.assert_close(torch.autograd.grad(3 * value, logits)[0], expected)
    weights = torch.linspace(0, 2, len(labels))
    compiled = torch.compile(_weighted_loss, fullgraph=True, backend="aot_eager")
    value = compiled(loss, logits, labels, weights)
    expected = _weighted_loss(loss, logits, labels, weights)
    torch.testing.assert_close(value, expected)
    grads = [torch.autograd.grad(x, logits)[0] for x in (value, expected)]
    torch.testing.assert_close(*grads)


def _weighted_loss(loss, logits, labels, weights):
    return loss.dense_loss(logits, DenseTargets(labels, weights))


def _train(rank, path):
    torch.distributed.init_process_group("gloo", f"file://{path}", rank=rank, world_size=2)
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Linear(3, K))
    features, labels = torch.randn(2, 50, 3), torch.randint(-1, K + 1, (2, 50))
    SigmoidFocalLoss()(model(features[rank]), labels[rank]).backward()
    alone = nn.Linear(3, K)
    alone.load_state_dict(model.module.state_dict())
    (SigmoidFocalLoss()(alone(features.flatten(0, 1)), labels.flatten()) / 2).backward()
    torch.testing.assert_close(model.module.weight.grad, alone.weight.grad)
    torch.distributed.destroy_process_group()


def test_two_processes_average_their_gradients(tmp_path):
    mp.start_processes(_train, args=(tmp_path / "rendezvous",), nprocs=2, start_method="fork")
