"""The network without preprocessing and decoding."""

import pytest
import torch
from test_retinanet import batch, pluggable, upstream

from retina_plugin.modeling import DenseNetwork


@pytest.mark.parametrize("kind", [pluggable, upstream])
def test_it_computes_the_tensors_of_the_detector(kind):
    detector = kind().eval()
    network, data = DenseNetwork(detector), batch()
    images = detector.preprocess_image(data)
    pred_logits, pred_anchor_deltas = network(images.tensor)
    seen = []
    detector.head.register_forward_hook(lambda _, __, outputs: seen.append(outputs))
    with torch.no_grad():
        expected = detector(data)
        features = [torch.zeros_like(x[:, :1]) for x in pred_logits]
        found = detector.forward_inference(images, features, [pred_logits, pred_anchor_deltas])
    for ours, theirs in zip((pred_logits, pred_anchor_deltas), seen[0], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a.scores, b["instances"].scores)


def test_it_shares_its_modules_with_the_detector():
    detector = pluggable()
    names = list(detector.state_dict())
    network = DenseNetwork(detector)
    assert network.backbone is detector.backbone and network.head is detector.head
    assert list(detector.state_dict()) == names
    assert set(network.state_dict()) <= set(names)


@pytest.mark.parametrize("how", ["trace", "export"])
def test_it_can_be_traced_and_exported(how):
    torch.manual_seed(0)
    network = DenseNetwork(pluggable().eval())
    images = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        if how == "trace":
            copy = torch.jit.trace(network, images)
        else:
            copy = torch.export.export(network, (images,)).module()
        images = torch.randn(1, 3, 128, 128)
        for ours, theirs in zip(copy(images), network(images), strict=True):
            for a, b in zip(ours, theirs, strict=True):
                torch.testing.assert_close(a, b)
