"""Without a score threshold, candidates are chosen faster, and are the same as upstream's."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.modeling.meta_arch import RetinaNet


@pytest.fixture(scope="module")
def level():
    """A level of 300 anchors with scores of 5 classes, all different but for those that are 0."""
    rng = torch.Generator().manual_seed(0)
    scores = torch.randperm(1500, generator=rng).reshape(300, 5) / 1500
    scores[torch.rand(300, 5, generator=rng) < 0.2] = 0
    return scores, torch.randn(300, 4, generator=rng) * 0.3


@pytest.mark.parametrize("topk", [100, 1250, 5000], ids=["limit binds", "some scores are 0", "more than scores"])
@pytest.mark.parametrize("score_thresh", [0.0, 0.3])
def test_candidates_are_those_of_upstream(tiny_cfg, level, topk, score_thresh):
    model = instantiate(tiny_cfg().model).eval()
    scores, deltas = level
    anchors = model.anchor_generator([torch.zeros(1, 1, 10, 10)] + [torch.zeros(1, 1, 1, 1)] * 4)[0][:300]
    arguments = (anchors, scores, deltas, score_thresh, topk, (64, 64))
    ours = model._decode_per_level_predictions(*arguments)
    upstream = RetinaNet._decode_per_level_predictions(model, *arguments)
    assert 0 < len(ours) == len(upstream) <= topk
    for name in ("scores", "pred_classes"):
        assert torch.equal(ours.get(name), upstream.get(name))
    assert torch.equal(ours.pred_boxes.tensor, upstream.pred_boxes.tensor)


def test_a_level_without_a_score_above_zero_has_no_candidates(tiny_cfg, level):
    model = instantiate(tiny_cfg().model).eval()
    anchors = model.anchor_generator([torch.zeros(1, 1, 10, 10)] + [torch.zeros(1, 1, 1, 1)] * 4)[0][:300]
    assert not len(model._decode_per_level_predictions(anchors, 0 * level[0], level[1], 0.0, 100, (64, 64)))
