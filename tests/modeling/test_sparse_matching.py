"""Matching without the whole IoU matrix: the labels of Detectron2's matcher, also for ties, small and distant boxes."""

import pytest
import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, Instances, pairwise_iou
from hypothesis import given, settings
from hypothesis import strategies as st

from retina_plugin.modeling import MatcherAssigner, OctaveAnchorGenerator
from retina_plugin.modeling.assigners.sparse import AnchorBlocks, match_sparsely

STRIDES = [8, 16, 32, 64, 128]
MATCHERS = {
    "retinanet": Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True),
    "without low quality": Matcher([0.4, 0.5], [0, -1, 1]),
    "one threshold": Matcher([0.5], [0, 1], allow_low_quality_matches=True),
    "four levels": Matcher([0.1, 0.3, 0.6], [-1, 0, -1, 1], allow_low_quality_matches=True),
}


def anchors_of(height=200, width=260):
    generator = OctaveAnchorGenerator(strides=STRIDES)
    features = [torch.zeros(1, 1, -(-height // s), -(-width // s)) for s in STRIDES]
    return Boxes.cat(generator(features)).tensor


ANCHORS = anchors_of()


def assert_as_upstream(matcher, boxes, anchors=ANCHORS):
    expected, expected_labels = matcher(pairwise_iou(Boxes(boxes), Boxes(anchors)))
    matches, labels = match_sparsely(matcher, boxes, AnchorBlocks(anchors))
    assert torch.equal(labels, expected_labels) and labels.dtype == expected_labels.dtype
    is_foreground = labels == 1
    assert torch.equal(matches[is_foreground], expected[is_foreground]) and matches.dtype == expected.dtype


@pytest.mark.parametrize("matcher", MATCHERS.values(), ids=MATCHERS)
@pytest.mark.parametrize(("number", "largest"), [(1, 250), (5, 20), (40, 100), (120, 400)])
def test_random_boxes(matcher, number, largest):
    torch.manual_seed(number)
    for _ in range(5):
        centers = torch.rand(number, 2) * torch.tensor([260.0, 200.0])
        sizes = 2 * (largest / 2) ** torch.rand(number, 2)
        assert_as_upstream(matcher, torch.cat([centers - sizes / 2, centers + sizes / 2], dim=1))


numbers = st.integers(-8, 70).map(lambda x: 4.0 * x)  # on a raster, so that overlaps tie
rectangles = st.tuples(numbers, numbers, st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=150, deadline=None)
@given(st.lists(rectangles, min_size=1, max_size=8), st.sampled_from(sorted(MATCHERS)))
def test_boxes_that_tie(found, name):
    boxes = torch.tensor([[x, y, x + 4.0 * w, y + 4.0 * h] for x, y, w, h in found])
    assert_as_upstream(MATCHERS[name], torch.cat([boxes, boxes[:1]]))


@pytest.mark.parametrize("number", [1, 63, 64, 65])
def test_any_number_of_anchors(number):
    assert_as_upstream(MATCHERS["retinanet"], torch.tensor([[10.0, 10, 60, 50], [0, 0, 9, 7]]), ANCHORS[:number])


def test_boxes_that_are_anchors():
    assert_as_upstream(MATCHERS["retinanet"], ANCHORS[::301])


def test_a_box_that_overlaps_with_no_anchor():
    boxes = torch.tensor([[10.0, 10, 60, 50], [9000, 9000, 9100, 9100]])
    assert_as_upstream(MATCHERS["retinanet"], boxes)
    assert_as_upstream(MATCHERS["without low quality"], boxes)


def test_a_matcher_of_another_class_gets_the_whole_matrix():
    class Shifted(Matcher):
        def __call__(self, match_quality_matrix):
            matches, labels = super().__call__(match_quality_matrix)
            return matches, labels.roll(1)

    other = Shifted([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True)
    objects = Instances((200, 260), gt_boxes=Boxes(torch.tensor([[10.0, 10, 60, 50]])), gt_classes=torch.tensor([2]))
    labels, expected = (
        MatcherAssigner(matcher)([Boxes(ANCHORS)], [objects], 3).labels for matcher in (other, MATCHERS["retinanet"])
    )
    assert torch.equal(labels, expected.roll(1, dims=1)) and (expected == 2).any()
