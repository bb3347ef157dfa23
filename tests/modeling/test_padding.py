"""Images of a batch that is split are padded to one size."""

import pytest
import torch
from test_retinanet import pluggable


class Constraints:
    """A backbone's padding constraints."""

    def __init__(self, divisibility=32, **constraints):
        self.size_divisibility, self.padding_constraints = divisibility, constraints


def inputs(*sizes, padded_size=None):
    torch.manual_seed(0)
    images = [torch.randint(1, 256, (3, h, w), dtype=torch.uint8) for h, w in sizes]
    more = {} if padded_size is None else {"padded_size": padded_size}
    return [{"image": image} | more for image in images]


@pytest.mark.parametrize(
    ("constraints", "padded_size", "expected"),
    [
        (Constraints(32), (70, 100), (96, 128)),
        (Constraints(0), (70, 100), (70, 100)),
        (Constraints(32), (10, 200), (64, 224)),  # this forward pass has the highest image
        (Constraints(32, size_divisibility=64), (70, 100), (128, 128)),
        (Constraints(32, square_size=256), (70, 100), (256, 256)),
    ],
)
def test_images_are_padded_to_the_largest_of_the_batch(constraints, padded_size, expected):
    model = pluggable()
    model.__dict__["backbone"] = constraints
    del model._modules["backbone"]
    sizes = [(50, 40), (64, 33)]
    images = model.preprocess_image(inputs(*sizes, padded_size=padded_size))
    assert images.tensor.shape == (2, 3, *expected) and images.image_sizes == sizes
    for i, data in enumerate(inputs(*sizes)):
        assert torch.equal(images[i], (data["image"] - model.pixel_mean) / model.pixel_std)
        h, w = sizes[i]
        assert not images.tensor[i, :, h:].any() and not images.tensor[i, :, :, w:].any()


def test_parts_of_a_batch_are_padded_as_the_whole_batch():
    model, sizes = pluggable(), [(50, 40), (64, 33), (30, 97)]
    whole = model.preprocess_image(inputs(*sizes)).tensor
    parts = inputs(*sizes, padded_size=(64, 97))
    parts = [model.preprocess_image(part).tensor for part in (parts[:1], parts[1:])]
    assert torch.equal(torch.cat(parts), whole)
