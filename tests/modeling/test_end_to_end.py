"""What Detectron2 checks of its RetinaNet from end to end, checked on every loss and pyramid of this package."""

import pytest
import torch
from conftest import QUICK, TINY
from detectron2.config import instantiate
from detectron2.export import TracingAdapter
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from retina_plugin.config import get_config
from retina_plugin.inference import optimize_for_inference
from retina_plugin.modeling import DenseNetwork

LOSSES = [*get_config("common/losses.py").losses]
SOFTMAX = "model.cls_loss=${losses.softmax_ce}"
PYRAMIDS = ["detectron2.modeling.FPN"]
PYRAMIDS += [f"retina_plugin.modeling.{name}" for name in ("PAFPN", "BiFPN", "AblatedFPN")]


def build(*overrides):
    torch.manual_seed(0)
    return instantiate(get_config(QUICK, [*TINY, *overrides]).model)


def image(boxes=(), height=64, width=96):
    instances = Instances((height, width))
    instances.gt_boxes = Boxes(torch.tensor(list(boxes), dtype=torch.float32).reshape(-1, 4))
    instances.gt_classes = torch.arange(len(instances.gt_boxes)) % 3
    pixels = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    return {"image": pixels, "instances": instances}


def losses(model, data):
    with EventStorage():
        return model.train()(data)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_any_object_trains(loss):
    model = build(f"model.cls_loss=${{losses.{loss}}}")
    found = losses(model, [image(), image()])
    assert found["loss_box_reg"] == 0 and all(x.isfinite() for x in found.values())
    sum(found.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("backbone", PYRAMIDS)
def test_gradients_reach_every_parameter(backbone):
    model = build(f"model.backbone._target_={backbone}")
    sum(losses(model, [image([[8, 8, 40, 48]]), image()]).values()).backward()
    unreached = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]
    assert not [name for name in unreached if "bottom_up" not in name]
    # single layers of the small bottom-up network may be blocked by their activations
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("overrides", [(), (SOFTMAX,)])
def test_an_image_without_detections_gives_empty_instances(overrides):
    model = build("model.test_score_thresh=1.0", *overrides).eval()
    with torch.no_grad():
        (found,) = model([image(height=32, width=48)])
    assert len(found["instances"]) == 0 and found["instances"].pred_boxes.tensor.shape == (0, 4)
    assert found["instances"].image_size == (32, 48)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 7)])
def test_tiny_images_of_several_sizes_are_trained_and_detected(size):
    model = build()
    height, width = size
    data = [image(height=height, width=width), image([[2, 2, 30, 30]])]
    assert all(x.isfinite() for x in losses(model, data).values())
    with torch.no_grad():
        found = model.eval()(data)
    assert [x["instances"].image_size for x in found] == [size, (64, 96)]


def test_detections_are_given_in_the_size_that_was_asked_for():
    model = build("model.test_score_thresh=0.0").eval()
    with torch.no_grad():
        (found,) = model([image(height=64, width=64) | {"height": 200, "width": 100}])
    boxes = found["instances"].pred_boxes.tensor
    assert len(boxes) > 0 and boxes[:, 2].max() <= 100 and boxes[:, 3].max() <= 200
    assert found["instances"].image_size == (200, 100)


@pytest.mark.parametrize("backbone", PYRAMIDS)
def test_pyramid_levels_have_the_sizes_of_their_strides(backbone):
    model = build(f"model.backbone._target_={backbone}").eval()
    with torch.no_grad():
        levels = model.backbone(torch.zeros(1, 3, 128, 192))
    shapes = model.backbone.output_shape()
    for name in model.head_in_features:
        stride = shapes[name].stride
        assert levels[name].shape == (1, 16, -(-128 // stride), -(-192 // stride))


@pytest.mark.parametrize("overrides", [(), (SOFTMAX,)])
def test_a_traced_detector_gives_the_same_detections_on_another_image(overrides):
    model = build("model.test_score_thresh=0.0", *overrides).eval()
    torch.nn.init.normal_(model.head.cls_score.weight)  # without ties between scores
    first, second = ([{"image": image()["image"]}] for _ in range(2))
    adapter = TracingAdapter(model, first)
    with torch.no_grad():
        traced = torch.jit.trace(adapter, adapter.flattened_inputs, check_trace=False)
        (found,) = adapter.outputs_schema(traced(second[0]["image"]))
        (expected,) = model(second)
    ours, theirs = found["instances"], expected["instances"]
    assert len(theirs) > 0
    torch.testing.assert_close(ours.pred_boxes.tensor, theirs.pred_boxes.tensor)
    torch.testing.assert_close(ours.scores, theirs.scores)
    assert torch.equal(ours.pred_classes, theirs.pred_classes)


@pytest.mark.parametrize("optimized", [False, True])
def test_a_detector_in_half_precision_detects_and_can_be_traced(optimized):
    model = build("model.test_score_thresh=0.0").eval()
    model = optimize_for_inference(model, "bfloat16") if optimized else model.to(torch.bfloat16)
    data = [{"image": image()["image"]}]
    adapter = TracingAdapter(model, data)
    with torch.no_grad():
        (expected,) = model(data)
        traced = torch.jit.trace(adapter, adapter.flattened_inputs, check_trace=False)
        (found,) = adapter.outputs_schema(traced(data[0]["image"]))
    assert len(found["instances"]) == len(expected["instances"]) > 0
    assert found["instances"].scores.dtype == expected["instances"].scores.dtype == torch.float32


@pytest.mark.parametrize("training", [False, True])
def test_an_empty_batch_is_refused(training):
    with pytest.raises(ValueError, match="the batch is empty"):
        build().train(training)([])


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("overrides", [(), (SOFTMAX,)])
def test_predictions_that_are_not_finite_give_no_finite_boxes(overrides, value):
    model = build("model.test_score_thresh=0.05", *overrides).eval()
    images = model.preprocess_image([image()])
    with torch.no_grad():
        features = model.backbone(images.tensor)
        features = [features[name] for name in model.head_in_features]
        predictions = [[torch.full_like(x, value) for x in part] for part in model.head(features)]
        (found,) = model.forward_inference(images, features, predictions)
    assert not found.pred_boxes.tensor.isfinite().any()


def test_mixed_precision_trains_and_detects():
    model = build()
    with torch.autocast("cpu", torch.bfloat16):
        assert all(x.isfinite() for x in losses(model, [image([[4, 4, 50, 50]])]).values())
        with torch.no_grad():
            (found,) = model.eval()([image()])
    assert found["instances"].pred_boxes.tensor.dtype == torch.float32


def test_a_traced_network_takes_images_of_another_size():
    network = DenseNetwork(build().eval())
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.zeros(1, 3, 64, 64))
        images = torch.randn(2, 3, 96, 128)
        for ours, theirs in zip(traced(images), network(images), strict=True):
            for a, b in zip(ours, theirs, strict=True):
                torch.testing.assert_close(a, b)


def test_scripting_names_the_way_that_works():
    with pytest.raises(NotImplementedError, match=r"cannot be scripted: trace it with .*TracingAd"):
        torch.jit.script(build())
