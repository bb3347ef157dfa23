"""The elements that a classification loss sums over, and which of them are foreground.

With K sigmoids an element is one (anchor, class) logit of an anchor that is not ignored, and p_t is the probability
that its class is present if it is the anchor's own class, or else that it is absent. With a softmax an element is an
anchor, and p_t is the probability of its label. R anchors, C logits per anchor, E elements, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..dense import DenseImage

FOREGROUND, BACKGROUND, OTHER = range(3)
"""Kinds: the own class of a foreground anchor; any class of a background anchor; another class of a foreground anchor.

The class is absent in the last two. A loss treats them alike, and both count as background.
"""
NUM_KINDS = 3
_MOST_LOGITS = 2**21  # of one part; bounds memory


@dataclass(frozen=True)
class Elements:
    """Some elements of one image.

    Attributes:
        x_t: (E,) log-odds of p_t.
        kind: (E,) FOREGROUND, BACKGROUND or OTHER.
        category: (E,) the class of the logit; K for a background anchor of a softmax.
        anchor: (E,) index of its anchor among the R of the image.
    """

    x_t: Tensor
    kind: Tensor
    category: Tensor
    anchor: Tensor


def elements_of(image: DenseImage, num_classes: int) -> Iterator[Elements]:
    """All elements of an image, in parts. A detector with C = K + 1 logits per anchor has a softmax."""
    (anchors,) = (image.labels >= 0).nonzero(as_tuple=True)
    split = _of_sigmoids if image.logits.shape[1] == num_classes else _of_softmax
    for part in anchors.split(max(1, _MOST_LOGITS // image.logits.shape[1])):
        yield split(image.logits[part].float(), image.labels[part].long(), part)


def _of_sigmoids(logits: Tensor, labels: Tensor, anchors: Tensor) -> Elements:
    num_classes = logits.shape[1]
    categories = torch.arange(num_classes).expand_as(logits)
    present = labels[:, None] == categories
    kind = torch.where(labels == num_classes, BACKGROUND, OTHER)[:, None].expand_as(logits)
    return Elements(
        torch.where(present, logits, -logits).flatten(),
        kind.masked_fill(present, FOREGROUND).flatten(),
        categories.flatten(),
        anchors.repeat_interleave(num_classes),
    )


def _of_softmax(logits: Tensor, labels: Tensor, anchors: Tensor) -> Elements:
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
    kind = torch.where(labels == logits.shape[1] - 1, BACKGROUND, FOREGROUND)
    return Elements(own - others, kind, labels, anchors)
