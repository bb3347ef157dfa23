"""What a detector's network computes for one image, to see that its optimized copy computes the same."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..modeling import DenseNetwork, PluggableRetinaNet
from ..modeling.meta_arch.feature_maps import num_channels

_SIZE = 128, 256  # pixels: a level of stride 128 has two locations, since norms over space refuse a single one
# Root mean squares that differences may have: of the outputs' own spread, and in logits or deltas. Rounding stays far
# below, and a missing activation far above.
_OF_SPREAD, _ALWAYS = 0.05, 1e-3


@torch.no_grad()
def probe(model: PluggableRetinaNet) -> list[Tensor]:
    """Logits and deltas (1, channels, Hi, Wi) of every level for an image of noise; the same image for every model."""
    noise = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (num_channels(model), *_SIZE), generator=noise, dtype=torch.uint8)
    logits, deltas = DenseNetwork(model)(model.preprocess_image([{"image": image}]).tensor)
    return [x.float() for x in (*logits, *deltas)]


def are_alike(expected: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
    """Whether two lists of outputs agree up to rounding; also if the expected ones are not finite."""
    return all(_is_alike(*pair) for pair in zip(expected, found, strict=True))


def _is_alike(expected: Tensor, found: Tensor) -> bool:
    if not expected.isfinite().all():
        return True
    allowed = _OF_SPREAD * _root_mean_square(expected - expected.mean()) + _ALWAYS
    return expected.shape == found.shape and bool(_root_mean_square(found - expected) <= allowed)


def _root_mean_square(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()
