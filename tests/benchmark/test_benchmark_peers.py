"""torchvision's RetinaNet with the weights of one of ours computes the same, and the machine's figures add up."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.structures import Boxes, Instances
from torch import nn

from retina_plugin.benchmark.machine import add_rates, count_gflop
from retina_plugin.benchmark.peers import detectron2_peer, torchvision_peer
from retina_plugin.config import get_config

# sizes that all strides divide: for others torchvision rounds strides, and has other anchors
HEIGHT, WIDTH = 128, 256
STRIDES = (8, 16, 32, 64, 128)


@pytest.fixture(scope="module")
def resnet_model():
    overrides = ["model.backbone.out_channels=32", "model.head.conv_dims=[32,32,32,32]", "model.num_classes=3"]
    torch.manual_seed(0)
    model = instantiate(get_config("COCO-Detection/retinanet_R_50_FPN_1x.py", overrides).model).eval()
    for name, buffer in model.backbone.bottom_up.named_buffers():  # other statistics than those of a new network
        values = {"weight": (0.3, 0.5), "running_var": (0.8, 1.2)}.get(name.rpartition(".")[2], (-0.1, 0.1))
        buffer.uniform_(*values)
    for conv in (*model.head.cls_subnet[::2], *model.head.bbox_subnet[::2]):
        nn.init.kaiming_normal_(conv.weight)
    nn.init.normal_(model.head.cls_score.weight, std=0.1)
    return model


@pytest.fixture(scope="module")
def image():
    return torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8)


def test_torchvision_has_the_same_logits_deltas_and_anchors(resnet_model, image):
    detector = torchvision_peer(resnet_model).detector
    with torch.no_grad():
        images = resnet_model.preprocess_image([{"image": image}])
        features = resnet_model.backbone(images.tensor)
        features = [features[name] for name in resnet_model.head_in_features]
        ours = resnet_model._transpose_dense_predictions(resnet_model.head(features))
        detector.transform.fixed_size = (WIDTH, HEIGHT)
        moved = detector.transform([image.float()])[0]
        maps = list(detector.backbone(moved.tensors).values())
        theirs = detector.head(maps)
        anchors = detector.anchor_generator(moved, maps)[0]
    assert moved.tensors.shape == images.tensor.shape
    for own, name in zip(ours, ("cls_logits", "bbox_regression"), strict=True):
        assert own[0].std() > 0.01
        torch.testing.assert_close(theirs[name], torch.cat(own, dim=1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(anchors, Boxes.cat(resnet_model.anchor_generator(features)).tensor)


def test_torchvision_has_the_same_detections(resnet_model, image):
    with torch.no_grad():
        ours, theirs = (
            peer(resnet_model)([{"image": image}])[0]["instances"] for peer in (detectron2_peer, torchvision_peer)
        )
    # boxes are clipped before suppression there, after it here, so a few at the border may differ
    assert len(ours) == len(theirs) == 100
    same = sum(bool((abs(theirs.scores - score) < 1e-4).any()) for score in ours.scores)
    assert same >= 90


def test_torchvision_trains_on_the_same_targets(resnet_model, image):
    instances = Instances((HEIGHT, WIDTH))
    instances.gt_boxes = Boxes(torch.tensor([[20.0, 30, 90, 100], [140, 10, 250, 120]]))
    instances.gt_classes = torch.tensor([2, 0])
    batch = [{"image": image, "instances": instances}]
    theirs = torchvision_peer(resnet_model).train()(batch)
    with torch.no_grad():
        anchors = resnet_model.anchor_generator([torch.zeros(1, 1, HEIGHT // s, WIDTH // s) for s in STRIDES])
        labels = resnet_model.assign_labels(anchors, [instances]).labels
        ours = resnet_model.train()(batch)
    resnet_model.eval()
    foreground = int(((labels >= 0) & (labels < 3)).sum())
    divisor = 0.9 * 100 + 0.1 * foreground  # the average after this batch; torchvision divides by the foreground
    for own, name in (("loss_cls", "classification"), ("loss_box_reg", "bbox_regression")):
        assert theirs[name].item() == pytest.approx(ours[own].item() * divisor / foreground, rel=1e-5)


def test_frozen_weights_are_frozen_on_both_sides(resnet_model):
    trained = sum(x.numel() for x in resnet_model.parameters() if x.requires_grad)
    assert trained == sum(x.numel() for x in torchvision_peer(resnet_model).parameters() if x.requires_grad)


def test_another_backbone_has_no_peer_in_torchvision(tiny_cfg):
    with pytest.raises(ValueError, match="not Detectron2's FPN on its ResNet"):
        torchvision_peer(instantiate(tiny_cfg().model))


def test_multiplications_are_counted_with_their_additions():
    conv = nn.Conv2d(4, 6, 3, padding=1)
    assert count_gflop(lambda: conv(torch.zeros(2, 4, 5, 7))) == pytest.approx(2 * 2 * 6 * 5 * 7 * 4 * 9 / 1e9)


def test_the_share_of_the_machine_is_that_of_its_fastest_product():
    matrix = torch.zeros(100, 100)
    machine = {"matmul, float32": lambda: matrix @ matrix, "conv 3x3, float32": lambda: matrix @ matrix}
    found = {"detectron2": {"seconds": 2.0}}
    found |= {
        name: dict(ratio=1, lowest=1, highest=1, seconds=s) for name, s in zip(machine, (1e-3, 4e-3), strict=True)
    }
    add_rates(found, 3.0, machine)
    assert found["detectron2"]["gflop_per_s"] == 1.5
    assert found["detectron2"]["of_machine"] == pytest.approx(1.5 / (2 * 100**3 / 1e9 / 1e-3))
    assert found["conv 3x3, float32"]["of_machine"] == pytest.approx(0.25)
