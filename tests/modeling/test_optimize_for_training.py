"""A detector optimized for training: same losses, gradients and state dict, for every kind of network."""

import copy
import pickle

import pytest
import torch
from conftest import REAL_NET
from detectron2.config import instantiate
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from detectron2.structures import Boxes, Instances
from torch import nn

from retina_plugin.config import get_config
from retina_plugin.engine.setup import freeze
from retina_plugin.inference import optimize_for_inference
from retina_plugin.modeling import PluggableRetinaNet, optimize_for_training
from retina_plugin.modeling.optimization import training

NETS = {
    "towers": [REAL_NET, "model.head.conv_dims=[16,16]"],
    "no tower": ["model.head.conv_dims=[]"],
    "norms in the head": ["model.head.conv_dims=[16]", "model.head.norm=BN"],
    "a narrow box tower": ["model.head.conv_dims=[16]", "model.head.bbox_conv_dims=[8,8]"],
    "softmax": ["model.cls_loss=${losses.softmax_ce}"],
    "GIoU": ["model.box_loss=${box_losses.giou}"],
}


def a_detector(tiny_cfg, *overrides):
    torch.manual_seed(0)
    model = instantiate(tiny_cfg("model.backbone.bottom_up.norm=FrozenBN", *overrides).model).double().train()
    for norm in model.modules():
        if isinstance(norm, FrozenBatchNorm2d):
            for buffer in norm.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(torch.rand_like(buffer) + 0.5)
    with torch.no_grad():
        model.head.bbox_pred.weight.mul_(30)
    return model


def a_batch(boxes=((10, 20, 60, 90), (100, 30, 140, 60)), sizes=((160, 224), (128, 192))):
    batch = []
    for size in sizes:
        instances = Instances(size)
        instances.gt_boxes = Boxes(torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4))
        instances.gt_classes = torch.arange(len(boxes)) % 3
        batch.append({"image": torch.randint(0, 256, (3, *size), dtype=torch.uint8), "instances": instances})
    return batch


def gradients_and_losses(model, batch):
    model.zero_grad()
    losses = model(batch)
    sum(losses.values()).backward()
    grads = {name: x.grad.clone() for name, x in model.named_parameters() if x.grad is not None}
    return grads | {name: x.detach() for name, x in losses.items()}


@pytest.fixture(autouse=True)
def storage():
    from detectron2.utils.events import EventStorage

    with EventStorage():
        yield


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("boxes", [((10, 20, 60, 90), (100, 30, 140, 60)), ()], ids=["objects", "none"])
def test_losses_and_gradients_are_the_same(tiny_cfg, net, boxes):
    plain = a_detector(tiny_cfg, *NETS[net])
    fast = optimize_for_training(copy.deepcopy(plain))
    batch = a_batch(boxes)
    expected, actual = (gradients_and_losses(model, batch) for model in (plain, fast))
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=1e-8, atol=1e-10, msg=lambda m, name=name: f"{name}: {m}")


def test_norms_are_folded_and_the_box_tower_is_not_run_everywhere(tiny_cfg):
    fast = optimize_for_training(a_detector(tiny_cfg, *NETS["towers"]))
    norms = [x for x in fast.backbone.bottom_up.modules() if isinstance(x, FrozenBatchNorm2d)]
    assert norms and {type(x) for x in norms} == {training._FoldedNorm}
    fast.head.bbox_pred.forward = None  # would be called for a whole level
    gradients_and_losses(fast, a_batch(((10, 20, 60, 90),), sizes=((320, 320),)))


def test_the_state_dict_stays(tiny_cfg):
    plain = a_detector(tiny_cfg, REAL_NET)
    before = copy.deepcopy(plain.state_dict())
    after = optimize_for_training(plain).state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(x.stride()[1] == 1 for x in plain.parameters() if x.dim() == 4)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_folds_its_own_norms(tiny_cfg, copied):
    fast = optimize_for_training(a_detector(tiny_cfg))
    other, batch = copied(fast), a_batch()
    expected = gradients_and_losses(fast, batch)
    for norm in fast.modules():
        if isinstance(norm, FrozenBatchNorm2d):
            norm.weight.zero_()
    assert all(torch.equal(value, expected[name]) for name, value in gradients_and_losses(other, batch).items())


def test_its_detections_are_the_same_and_inference_still_folds(tiny_cfg):
    plain = a_detector(tiny_cfg, REAL_NET).float().eval()
    with torch.no_grad():
        plain.head.cls_score.weight.mul_(300)
        plain.head.cls_score.bias.sub_(3)
    fast = optimize_for_training(copy.deepcopy(plain))
    batch = [{"image": torch.randint(0, 256, (3, 128, 192), dtype=torch.uint8)}]
    with torch.no_grad():
        found = [x(batch)[0]["instances"].scores for x in (plain, fast, optimize_for_inference(fast))]
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[2], found[0], rtol=0, atol=1e-5)
    folded = optimize_for_inference(fast).backbone
    assert not any(isinstance(x, FrozenBatchNorm2d) for x in folded.modules())
    assert any(type(x) is training._FoldedNorm for x in fast.modules())  # the original stays as it was


def test_detectron2s_resnet(tiny_cfg):
    cfg = get_config("COCO-Detection/retinanet_R_50_FPN_1x.py").model
    cfg.head.conv_dims = [8]
    cfg.num_classes = 3
    torch.manual_seed(0)
    plain = instantiate(cfg).double().train()
    freeze(plain, ["backbone.bottom_up.stem"])
    for norm in plain.modules():
        if isinstance(norm, FrozenBatchNorm2d):
            norm.weight.fill_(0.4)
    fast = optimize_for_training(copy.deepcopy(plain))
    assert sum(type(x) is training._FoldedDetectron2Conv2d for x in fast.modules()) == 53
    batch = a_batch(sizes=((64, 96),))
    expected, actual = (gradients_and_losses(model, batch) for model in (plain, fast))
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=1e-7, atol=1e-10)


def test_overridden_losses_see_all_deltas(tiny_cfg):
    class Own(PluggableRetinaNet):
        def losses(self, anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes, weights=None):
            assert sum(x.shape[1] for x in pred_anchor_deltas) == len(gt_labels[0])
            return super().losses(anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes, weights)

    model = a_detector(tiny_cfg)
    model.__class__ = Own
    expected = gradients_and_losses(copy.deepcopy(model), batch := a_batch())
    actual = gradients_and_losses(optimize_for_training(model), batch)
    torch.testing.assert_close(actual["loss_box_reg"], expected["loss_box_reg"])


def test_other_modules_are_folded_only():
    norm = FrozenBatchNorm2d(4)
    norm.running_mean.normal_()
    plain = nn.Sequential(Conv2d(3, 4, 3, norm=norm, activation=nn.ReLU()), nn.Conv2d(4, 4, 1))
    x = torch.randn(1, 3, 8, 8)
    expected = plain(x)
    fast = optimize_for_training(plain)
    assert type(fast[0]) is training._FoldedDetectron2Conv2d
    torch.testing.assert_close(fast(x), expected)
    assert type(training.undo_training_layers(fast)[0]) is Conv2d
    torch.testing.assert_close(fast(x), expected)


def test_detectron2s_convolution_pads_with_zeros_whatever_its_mode_as_before():
    norm = FrozenBatchNorm2d(4)
    norm.running_mean.normal_()
    plain = Conv2d(4, 4, 3, padding=1, padding_mode="reflect", norm=norm)
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(optimize_for_training(copy.deepcopy(plain))(x), plain(x))


@pytest.mark.parametrize(("channels", "layout"), [(8, torch.contiguous_format), (16, torch.channels_last)])
def test_the_layout_is_none_with_which_torch_writes_beyond_a_gradient(channels, layout):
    """The gradient of a strided 1 x 1 convolution of less than 16 channels, with channels last."""
    net = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(channels, 8, 1, stride=2))
    optimize_for_training(net)
    assert net[0].weight.is_contiguous(memory_format=layout)
