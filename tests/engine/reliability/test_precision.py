"""Mixed precision on a CPU where torch's own gradients are wrong."""

import pytest
import torch
from torch import nn

from retina_plugin.engine.reliability.precision import precision


def gradients(conv, image, dtype):
    with precision("cpu", dtype):
        output = conv(image)
    assert output.dtype == (dtype or torch.float32)
    return torch.autograd.grad(output.float().square().sum(), list(conv.parameters()))


@pytest.mark.parametrize("size", [(1, 1), (8, 1), (1, 8)])
def test_gradients_of_strided_convolutions_of_narrow_maps(size):
    """Without the context's help they are memory that nobody has written, so each run of torch gives others."""
    torch.manual_seed(0)
    conv, image = nn.Conv2d(16, 16, 3, stride=2, padding=1), torch.randn(2, 16, *size)
    expected = gradients(conv, image, None)
    for _ in range(5):
        for found, value in zip(gradients(conv, image, torch.bfloat16), expected, strict=True):
            torch.testing.assert_close(found, value, rtol=0.02, atol=0.02 * float(value.abs().max()))
