"""Sums of a loss that is no function of p_t, computed image by image by the loss itself.

Examples are losses with a weight for every class, and losses that couple anchors: for these, every image counts as a
batch of its own.
"""

import numpy as np
import torch
from torch import Tensor

from ...evaluation.box_metrics import SIZES
from ...modeling.losses import ClassificationLoss
from ..dense import DenseImage
from .curves import Curve, cumulative_loss
from .elements import FOREGROUND, NUM_KINDS, Elements, elements_of
from .shares import Shares
from .xray import size_of

_PER_OCTAVE = 32  # bins of the loss, in each of which it differs by less than 2.2 %
_LOWEST, _HIGHEST = -60, 20  # logarithms to the base of 2; a loss of 0 is in the first bin
_NUM_BINS = (_HIGHEST - _LOWEST) * _PER_OCTAVE


class ExactSums:
    """Sums over the images added so far, in memory that does not grow with them. See `Shares` for their shapes.

    Attributes:
        histogram: (2, 2, B): numbers and loss of foreground and of background in bins of the logarithm of the loss.
    """

    def __init__(self, loss: ClassificationLoss, num_classes: int, num_levels: int) -> None:
        """Begin without images."""
        self.loss, self.num_classes, self.num_levels = loss, num_classes, num_levels
        self.by_level = np.zeros((2, NUM_KINDS, num_levels))
        self.by_class = np.zeros((2, NUM_KINDS, loss.num_logits(num_classes)))
        self.by_size = np.zeros((2, len(SIZES)))
        self.histogram = np.zeros((2, 2, _NUM_BINS))

    def add(self, image: DenseImage) -> None:
        """Add all elements of an image; NotImplementedError if the loss does not define `elementwise`."""
        values, gradient = self.loss.loss_and_gradient(image.logits, image.targets)
        sizes = size_of(image.boxes, image.scale)
        for part in elements_of(image, self.num_classes):
            self._add(part, *self._of_elements(values, gradient.abs(), part), image.levels[part.anchor], sizes)

    def _of_elements(self, values: Tensor, gradient: Tensor, part: Elements) -> tuple[Tensor, Tensor]:
        """(E,) loss and gradient norm, see `functions.loss_and_gradient_norm`."""
        if values.shape[1] == self.num_classes:
            return values[part.anchor, part.category].double(), gradient[part.anchor, part.category].double()
        return values[part.anchor].sum(1).double(), gradient[part.anchor].sum(1).double() / 2

    def _add(self, part: Elements, loss: Tensor, gradient: Tensor, levels: Tensor, sizes: Tensor) -> None:
        own = part.kind == FOREGROUND
        for place, values in enumerate((loss, gradient)):
            _add_sums(self.by_level[place], part.kind * self.num_levels + levels, values)
            _add_sums(self.by_class[place], part.kind * self.by_class.shape[-1] + part.category, values)
            _add_sums(self.by_size[place], sizes[part.anchor[own]], values[own])
        bins = ((loss.log2() - _LOWEST) * _PER_OCTAVE).clamp(0, _NUM_BINS - 1).long() + (~own) * _NUM_BINS
        _add_sums(self.histogram[0], bins, torch.ones_like(loss))
        _add_sums(self.histogram[1], bins, loss)

    def shares(self) -> Shares:
        """The sums as `Shares`."""
        return Shares(self.by_level, self.by_class, self.by_size, self._curve(0), self._curve(1))

    def _curve(self, place: int) -> Curve:
        return cumulative_loss(self.histogram[0, place], self.histogram[1, place])


def _add_sums(sums: np.ndarray, place: Tensor, values: Tensor) -> None:
    sums += torch.bincount(place, weights=values, minlength=sums.size).numpy().reshape(sums.shape)
