"""Rows of the classification layer that are taken over by the names of classes."""

import numpy as np
import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.meta_arch.dense_detector import permute_to_N_HWA_K
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from retina_plugin.modeling import PluggableRetinaNetHead
from retina_plugin.modeling.losses import SigmoidFocalLoss, SoftmaxCrossEntropyLoss
from retina_plugin.weights import ClassNames
from retina_plugin.weights.before_loading import before_loading
from retina_plugin.weights.class_rows import same_names, take_class_rows, with_class_rows

THEIRS = ("person", "bicycle", "traffic light", "dog")
OURS = ("platelet", "Dog", "traffic_light")


@pytest.mark.parametrize("names", [("A+", "A-"), ("<5mm", ">5mm"), ("+", "-"), ("c++", "c")])
def test_names_that_differ_in_punctuation_keep_their_own_rows(names):
    assert same_names(names, names) == [(0, 0), (1, 1)]
    assert same_names(names, names[::-1]) == [(1, 0), (0, 1)]


def head(classes, num_anchors=6, loss=SigmoidFocalLoss, channels=8):
    shapes = [ShapeSpec(channels=channels)]
    loss = loss(alpha=0.25, gamma=2.0) if loss is SigmoidFocalLoss else loss()
    return PluggableRetinaNetHead(
        input_shape=shapes, num_classes=len(classes), num_anchors=num_anchors, cls_loss=loss, conv_dims=[8]
    )


def zoo_weights(module):
    """Arrays by name, none of them as it was drawn, as in a file of Detectron2's model zoo."""
    rng = np.random.default_rng(0)
    return {f"head.{k}": rng.normal(size=v.shape).astype("f4") for k, v in module.state_dict().items()}


def state(module):
    return {f"head.{name}": value for name, value in module.state_dict().items()}


@settings(max_examples=25, deadline=None)
@given(data=st.data(), num_anchors=st.integers(1, 9), num_theirs=st.integers(1, 6), num_ours=st.integers(1, 6))
def test_each_row_is_that_of_its_class_or_the_own_one(data, num_anchors, num_theirs, num_ours):
    wanted = {k: data.draw(st.none() | st.integers(0, num_theirs - 1)) for k in range(num_ours)}
    theirs, own = torch.randn(num_anchors * num_theirs, 2), torch.randn(num_anchors * num_ours, 2)
    found = with_class_rows(own, theirs, [(t, o) for o, t in wanted.items() if t is not None], num_anchors)
    for a in range(num_anchors):
        for k, source in wanted.items():
            row = own[a * num_ours + k] if source is None else theirs[a * num_theirs + source]
            assert torch.equal(found[a * num_ours + k], row)


def test_names_agree_whatever_their_case_and_punctuation():
    assert same_names(THEIRS, OURS) == [(3, 1), (2, 2)]
    assert same_names(["cat", "CAT"], ["cat", "Cat"]) == [(0, 0), (0, 1)]
    assert same_names(["naïve"], ["naive", "Naïve"]) == [(0, 1)]


def test_a_known_class_has_the_logits_of_the_other_detector_and_a_new_one_its_prior():
    source, target = head(THEIRS), head(OURS)
    weights = zoo_weights(source)
    source.load_state_dict({k.removeprefix("head."): torch.from_numpy(v) for k, v in weights.items()})
    bias = target.cls_score.bias.detach().clone()
    rows = take_class_rows(weights, state(target), ClassNames(THEIRS, OURS))
    assert rows == (("Dog", "traffic_light"), ("platelet",), "")
    target.load_state_dict({k.removeprefix("head."): torch.as_tensor(v) for k, v in weights.items()})
    features = [torch.randn(1, 8, 5, 4)]
    theirs, ours = (permute_to_N_HWA_K(net(features)[0][0], len(c)) for net, c in ((source, THEIRS), (target, OURS)))
    for name, label in (("dog", 1), ("traffic light", 2)):
        torch.testing.assert_close(ours[..., label], theirs[..., THEIRS.index(name)], rtol=1e-5, atol=1e-5)
    assert torch.equal(target.cls_score.bias[0::3], bias[0::3])


@pytest.mark.parametrize(
    ("target", "names", "reason"),
    [
        (head(OURS, num_anchors=3), THEIRS, "its head has 6 anchors per location, the model's 3"),
        (head(OURS, loss=SoftmaxCrossEntropyLoss), THEIRS, "the model has 4 logits per anchor, but 3 names"),
        (head(OURS), THEIRS[:2], "the checkpoint has 4 logits per anchor, but 2 names"),
    ],
    ids=["anchors", "softmax", "names"],
)
def test_rows_that_cannot_be_told_apart_stay(target, names, reason):
    weights = zoo_weights(head(THEIRS))
    before = dict(weights)
    rows = take_class_rows(weights, state(target), ClassNames(names, OURS))
    assert not rows.taken and not rows.new and rows.reason.startswith(reason)
    assert all(weights[name] is before[name] for name in before)


def test_weights_without_a_head_stay():
    weights = {"stem.conv1.weight": np.ones(3)}
    assert "no layers" in take_class_rows(weights, state(head(OURS)), ClassNames(THEIRS, OURS)).reason
    assert list(weights) == ["stem.conv1.weight"]


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_prefix_of_distributed_data_parallel_does_not_matter(prefix):
    weights = {prefix + name: value for name, value in zoo_weights(head(THEIRS)).items()}
    stated = before_loading(weights, nn.ModuleDict({"head": head(OURS)}), ClassNames(THEIRS, OURS))
    assert stated.anchors == (6, 6) and stated.rows.taken == ("Dog", "traffic_light")
