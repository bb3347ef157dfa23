"""Configs and code written for Detectron2's RetinaNet, with our parts in their places."""

import logging

import pytest
import torch
from conftest import QUICK, TINY
from detectron2 import model_zoo
from detectron2.config import LazyCall as L
from detectron2.config import get_cfg, instantiate
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectron2.utils.events import EventStorage
from detectron2.utils.registry import locate
from omegaconf import OmegaConf
from test_retinanet import STRIDES, batch, pluggable

from retina_plugin import add_retina_plugin_config
from retina_plugin.config import get_config, load_config
from retina_plugin.modeling import (
    AblatedFPN,
    OctaveAnchorGenerator,
    PluggableRetinaNet,
    PluggableRetinaNetHead,
)
from retina_plugin.modeling.losses import GIoULoss, SoftmaxCrossEntropyLoss

ZOO = "COCO-Detection/retinanet_R_50_FPN_1x"
LIES = ["focal_loss_alpha", "focal_loss_gamma", "smooth_l1_beta", "box_reg_loss_type", "vis_period"]


def upstream_model(**changes):
    """The LazyConfig of Detectron2's RetinaNet with a small ResNet and our detector as its target."""
    model = model_zoo.get_config(f"{ZOO}.py").model
    del model.backbone.bottom_up.stages.stride_in_1x1
    model.backbone.bottom_up.stages.depth = 18
    model.backbone.out_channels = 16
    model.backbone.top_block.in_channels = 512
    model.head.input_shape = [ShapeSpec(channels=16)] * 5
    model.head.conv_dims = [16]
    model._target_ = PluggableRetinaNet
    return OmegaConf.merge(model, OmegaConf.create(changes, flags={"allow_objects": True}))


def test_upstreams_loss_arguments_are_taken_over():
    model = instantiate(upstream_model(focal_loss_alpha=-1.0, focal_loss_gamma=1.5))
    assert (model.cls_loss.alpha, model.cls_loss.gamma, model.box_loss.beta) == (None, 1.5, 0.0)
    assert not [name for name in LIES if hasattr(model, name)]
    with EventStorage():
        losses = model(batch())
    assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize(
    ("arguments", "loss", "setting"),
    [
        ({}, "SmoothL1Loss", 0.0),
        ({"smooth_l1_beta": 0.1, "box_reg_loss_type": "smooth_l1"}, "SmoothL1Loss", 0.1),
        ({"smooth_l1_beta": 0.0, "box_reg_loss_type": "giou"}, "GIoULoss", None),
        ({"box_reg_loss_type": "ciou", "vis_period": 0}, "CIoULoss", None),
    ],
)
def test_upstreams_box_loss_arguments_are_taken_over(arguments, loss, setting):
    model = pluggable(**arguments)
    assert type(model.box_loss).__name__ == loss
    assert getattr(model.box_loss, "beta", None) == setting


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cls_loss": L(SoftmaxCrossEntropyLoss)()},
            r"model.focal_loss_alpha=0.25 and model.cls_loss=Soft.*delete.*model.cls_loss.alpha",
        ),
        (
            {
                "cls_loss": L(SoftmaxCrossEntropyLoss)(),
                "focal_loss_alpha": None,
                "focal_loss_gamma": None,
            },
            r"head predicts 80 logits .* needs 81 .*_target_=.*PluggableRetinaNetHead",
        ),
        ({"box_reg_loss_type": "iou"}, r"box_reg_loss_type='iou' is not one of .*'giou'"),
        ({"vis_period": 100}, r"model.vis_period=100 has no effect.*train.vis_period"),
    ],
)
def test_what_upstreams_arguments_cannot_mean_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        instantiate(upstream_model(**changes))


def test_a_box_loss_excludes_upstreams_box_loss_arguments():
    with pytest.raises(ValueError, match=r"model.smooth_l1_beta=0.1.*GIoULoss.*box_loss.beta"):
        pluggable(box_loss=GIoULoss(), smooth_l1_beta=0.1)


def test_sizes_of_upstreams_generator_name_their_replacement():
    model = upstream_model()
    model.anchor_generator._target_ = OctaveAnchorGenerator
    with pytest.raises(ValueError, match=r"anchor_generator.sizes .*octave_base_scale.*num_octaves"):
        instantiate(model)
    del model.anchor_generator.sizes
    assert instantiate(model).anchor_generator.num_cell_anchors == [9] * 5


def test_aspect_ratios_may_be_nested_but_must_agree():
    nested = OctaveAnchorGenerator(strides=STRIDES, aspect_ratios=[[0.5, 2.0]])
    assert nested.num_cell_anchors == [6] * 5
    with pytest.raises(ValueError, match=r"MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS.*same aspect ratios"):
        OctaveAnchorGenerator(strides=[8, 16], aspect_ratios=[[1.0], [0.5, 1.0, 2.0]])


def test_a_generator_need_not_tell_strides_or_numbers():
    class Bare(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.generate = OctaveAnchorGenerator(strides=STRIDES)

        def forward(self, features):
            return self.generate(features)

    with EventStorage():
        assert pluggable(anchor_generator=Bare())(batch())["loss_cls"] > 0


def test_upstreams_head_and_any_other_head_still_work():
    head = RetinaNetHead(
        input_shape=[ShapeSpec(channels=8)] * 5,
        num_classes=3,
        num_anchors=9,
        conv_dims=[8],
    )
    assert pluggable(head=head).head is head
    wide = pluggable().head
    wide.box_dim = 68
    with pytest.raises(ValueError, match=r"model.head.box_dim is 68.*4 deltas"):
        pluggable(head=wide)


def yacs_cfg(add_keys=True):
    cfg = get_cfg()
    if add_keys:
        add_retina_plugin_config(cfg)
    cfg.merge_from_file(model_zoo.get_config_file(f"{ZOO}.yaml"))
    return cfg


def test_the_head_is_configurable_as_upstreams():
    cfg = yacs_cfg()
    cfg.MODEL.RETINANET.NUM_CONVS, cfg.MODEL.RETINANET.NUM_CLASSES = 1, 3
    cfg.MODEL.RETINANET.CLS_LOSS = "SoftmaxCrossEntropyLoss"
    shapes = [ShapeSpec(channels=8, stride=stride) for stride in STRIDES]
    head = PluggableRetinaNetHead(cfg, shapes)
    assert (head.num_anchors, head.num_logits, head.box_dim) == (9, 4, 4)
    assert head.cls_score.out_channels == 36 and len(head.cls_subnet) == 2


def test_keys_that_the_chosen_generator_does_not_read_are_refused():
    cfg = yacs_cfg()
    cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 18, 64
    cfg.MODEL.ANCHOR_GENERATOR.SCALES_PER_OCTAVE = 2
    with pytest.raises(ValueError, match=r"NAME=DefaultAnchorGenerator does not read SCALES_PER_OCTAVE=2: set"):
        PluggableRetinaNet(cfg)


@pytest.mark.parametrize("build", [PluggableRetinaNet, PluggableRetinaNetHead])
def test_missing_yacs_keys_name_the_function_that_adds_them(build):
    cfg = yacs_cfg(add_keys=False)
    arguments = [] if build is PluggableRetinaNet else [[ShapeSpec(channels=8)] * 5]
    with pytest.raises(ValueError, match=r"call retina_plugin.add_retina_plugin_config\(cfg\)"):
        build(cfg, *arguments)


@pytest.mark.parametrize("name", ["modeling", "modeling.backbone", "modeling.backbone.lesions"])
def test_the_old_name_of_the_ablated_fpn_is_found(name, caplog):
    with caplog.at_level(logging.WARNING):
        assert locate(f"retina_plugin.{name}.LesionedFPN") is AblatedFPN
    assert "LesionedFPN is now called AblatedFPN" in caplog.text


def test_the_old_name_can_be_imported():
    from retina_plugin.modeling import LesionedFPN

    assert LesionedFPN is AblatedFPN
    with pytest.raises(ImportError):
        from retina_plugin.modeling import NoSuchFPN  # noqa: F401


FOREIGN = """
from retina_plugin.config import get_config
_base = get_config("quick/retinanet_tiny_synthetic.py")
model = _base.model
"""


def foreign(tmp_path, *overrides, more=""):
    """Somebody's own config that only takes over our model."""
    path = tmp_path / "own.py"
    path.write_text(FOREIGN + more)
    small = [x for x in TINY if x.startswith("model.")]
    return load_config(path, [*small, *overrides]).model


def test_the_model_config_works_alone(tmp_path):
    model = instantiate(foreign(tmp_path))
    assert (model.cls_loss.alpha, model.cls_loss.gamma, model.box_loss.beta) == (0.25, 2.0, 0.0)
    changed = foreign(tmp_path, "model.cls_loss.gamma=1.0", more="model.cls_loss.alpha = 0.5")
    model = instantiate(changed)
    assert (model.cls_loss.alpha, model.cls_loss.gamma) == (0.5, 1.0)


def test_a_foreign_config_with_the_table_switches_by_override(tmp_path):
    softmax = "model.cls_loss=${losses.softmax_ce}"
    model = instantiate(foreign(tmp_path, softmax, more="losses = _base.losses"))
    assert model.head.num_logits == model.num_classes + 1
    more = "losses, box_losses = _base.losses, _base.box_losses"
    giou = "model.box_loss=${box_losses.giou}"
    model = instantiate(foreign(tmp_path, giou, "losses.focal.gamma=1.0", more=more))
    assert type(model.box_loss).__name__ == "GIoULoss" and model.cls_loss.gamma == 1.0


@pytest.mark.parametrize(
    ("override", "settings"),
    [
        ("losses.focal.gamma=1.0", {"alpha": 0.25, "gamma": 1.0}),
        ("losses.focal.alpha=null", {"alpha": None, "gamma": 2.0}),
        ("losses.focal.alpha=[0.2,0.3,0.4]", {"alpha": [0.2, 0.3, 0.4], "gamma": 2.0}),
        ("model.cls_loss=${losses.focal}", {"alpha": 0.25, "gamma": 2.0}),
        ("model.cls_loss=${losses.softmax_ce}", {}),
    ],
)
def test_overrides_of_the_table_reach_the_default_loss(override, settings):
    cfg = get_config(QUICK, [override])
    for node in (cfg.model.cls_loss, cfg.model.head.cls_loss):
        resolved = OmegaConf.to_container(node, resolve=True)
        assert {k: v for k, v in resolved.items() if k != "_target_"} == settings
    cfg = get_config(QUICK, ["box_losses.l1.beta=0.3"])
    assert cfg.model.box_loss.beta == 0.3


def test_a_default_generator_is_still_accepted():
    sizes = [[32 * 2**i] for i in range(5)]
    generator = DefaultAnchorGenerator(sizes=sizes, aspect_ratios=[1.0], strides=STRIDES, offset=0.0)
    assert pluggable(anchor_generator=generator, num_anchors=1).head.num_anchors == 1
