"""The contract that every classification loss of the registry keeps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retina_plugin.registry import CLS_LOSS_REGISTRY

NAMES = [name for name, _ in CLS_LOSS_REGISTRY]
K = 5


def make(name):
    return CLS_LOSS_REGISTRY.get(name)()


def run(loss, logits, labels):
    """Loss and gradient."""
    logits = logits.detach().requires_grad_()
    value = loss(logits, labels)
    return value, torch.autograd.grad(value, logits)[0]


def batch(loss, rows=40, dtype=torch.float32, scale=3.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(rows, loss.num_logits(K), generator=generator)
    return logits.to(dtype), torch.randint(-1, K + 1, (rows,), generator=generator)


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_a_scalar_and_its_gradient_is_like_the_logits(name):
    logits, labels = batch(loss := make(name))
    value, grad = run(loss, logits, labels)
    assert value.shape == () and value > 0
    assert grad.shape == logits.shape and grad.dtype == logits.dtype and grad.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_ignored_rows_change_nothing_even_if_not_finite(name):
    logits, labels = batch(loss := make(name))
    valid = labels >= 0
    logits[~valid] = float("nan")
    value, grad = run(loss, logits, labels)
    expected, expected_grad = run(make(name), logits[valid], labels[valid])
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad[valid], expected_grad)
    assert 0 < len(grad[~valid]) and (grad[~valid] == 0).all()


@pytest.mark.parametrize("rows", [slice(None), slice(3, 4)], ids=["all", "one"])
@pytest.mark.parametrize("name", NAMES)
def test_logits_that_are_not_a_number_are_not_hidden(name, rows):
    logits, labels = batch(loss := make(name))
    logits[rows], labels[rows] = float("nan"), labels[rows].clamp(min=0)
    value, grad = run(loss, logits, labels)
    assert value.isnan() and grad.isnan().any()


@pytest.mark.parametrize("rows", [0, 7])
@pytest.mark.parametrize("name", NAMES)
def test_loss_without_valid_anchors_is_zero(name, rows):
    loss = make(name)
    value, grad = run(loss, torch.ones(rows, loss.num_logits(K)), torch.full((rows,), -1))
    assert value == 0 and grad.shape == (rows, loss.num_logits(K)) and (grad == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_all_background_pushes_every_class_down(name):
    loss = make(name)
    value, grad = run(loss, torch.ones(7, loss.num_logits(K)), torch.full((7,), K))
    assert value > 0 and (grad[:, :K] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_are_finite(name, dtype):
    loss = make(name)
    values = torch.tensor([0, 1, 17, 89, 710, 1e4])
    values = torch.cat([values, -values]).repeat(K + 1, loss.num_logits(K))
    logits = values[:, : 12 * loss.num_logits(K)].reshape(-1, loss.num_logits(K)).to(dtype)
    labels = torch.arange(len(logits)) % (K + 1)
    value, grad = run(loss, logits, labels)
    assert value.isfinite() and grad.isfinite().all() and grad.dtype == dtype
    assert value.dtype == torch.promote_types(dtype, torch.float32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_computed_in_float32(name, dtype):
    logits, labels = batch(loss := make(name), dtype=dtype)
    value, grad = run(loss, logits, labels)
    expected, expected_grad = run(make(name), logits.float(), labels)
    torch.testing.assert_close(value, expected, rtol=0, atol=0)
    torch.testing.assert_close(grad, expected_grad.to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_strides_do_not_matter(name):
    logits, labels = batch(loss := make(name), rows=40)
    expected = run(loss, logits, labels)
    strided = logits.t().contiguous().t()
    value, grad = run(make(name), strided, labels)
    torch.testing.assert_close(value, expected[0])
    torch.testing.assert_close(grad, expected[1])
    gaps = torch.stack([logits, logits], dim=2)[:, :, 0]
    torch.testing.assert_close(run(make(name), gaps, labels), expected)


@pytest.mark.parametrize("name", NAMES)
def test_scale_reaches_the_gradient_and_backward_may_be_repeated(name):
    logits, labels = batch(loss := make(name))
    logits.requires_grad_()
    value = loss(logits, labels)
    once = torch.autograd.grad(value, logits, retain_graph=True)[0]
    thrice = torch.autograd.grad(3 * value, logits, retain_graph=True)[0]
    torch.testing.assert_close(thrice, 3 * once)
    torch.testing.assert_close(torch.autograd.grad(value, logits)[0], once)


@pytest.mark.parametrize("name", NAMES)
def test_value_is_the_same_without_gradient(name):
    logits, labels = batch(loss := make(name))
    expected = run(loss, logits, labels)[0]
    value = make(name)(logits, labels)
    assert not value.requires_grad
    torch.testing.assert_close(value, expected.detach(), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_does_not_lower_the_precision(name):
    logits, labels = batch(loss := make(name))
    expected = run(loss, logits, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = run(make(name), logits, labels)
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_prior_fit_the_logits(name):
    loss = make(name)
    bias = loss.prior_bias(K, 0.01)
    assert bias.shape == (loss.num_logits(K),)
    assert loss.scores(bias.expand(3, 2, -1)).shape == (3, 2, K)
    assert loss.scores(bias).max() <= 0.0100001


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_that_of_the_value(name):
    loss = make(name).eval()
    logits, labels = batch(loss, rows=12, dtype=torch.float64)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), logits)


@pytest.mark.parametrize("name", NAMES)
def test_chunks_do_not_matter(name, monkeypatch):
    logits, labels = batch(loss := make(name), rows=203)
    expected = run(loss, logits, labels)
    monkeypatch.setattr("retina_plugin.modeling.losses.kernels.chunks._CPU_CHUNK_ELEMENTS", 50)
    torch.testing.assert_close(run(make(name), logits, labels), expected)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    rows=st.integers(0, 30),
    num_classes=st.integers(1, 9),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16]),
    label_dtype=st.sampled_from([torch.int64, torch.int32]),
    data=st.data(),
)
def test_any_shape_type_and_mixture_of_labels(name, rows, num_classes, dtype, label_dtype, data):
    loss = make(name)
    draw = st.lists(st.integers(-1, num_classes), min_size=rows, max_size=rows)
    labels = torch.tensor(data.draw(draw), dtype=label_dtype)
    logits = torch.linspace(-30, 30, rows * loss.num_logits(num_classes), dtype=torch.float64)
    logits = logits.view(rows, loss.num_logits(num_classes)).to(dtype)
    value, grad = run(loss, logits, labels)
    assert value >= 0 and grad.shape == logits.shape and grad.isfinite().all()
    assert (grad[labels < 0] == 0).all()
