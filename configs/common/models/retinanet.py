# RetinaNet with ResNet-50-FPN. Dependent values are derived automatically.
from detectron2.config import LazyCall as L
from detectron2.modeling import FPN, ResNet
from detectron2.modeling.backbone import BasicStem
from detectron2.modeling.backbone.fpn import LastLevelP6P7
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher

from retina_plugin.modeling import (
    OctaveAnchorGenerator,
    PluggableRetinaNet,
    PluggableRetinaNetHead,
    feature_strides,
    head_input_shape,
    num_cell_anchors,
)
from retina_plugin.modeling.losses import SigmoidFocalLoss, SmoothL1Loss

model = L(PluggableRetinaNet)(
    backbone=L(FPN)(
        bottom_up=L(ResNet)(
            stem=L(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
            stages=L(ResNet.make_default_stages)(depth=50, stride_in_1x1=True, norm="FrozenBN"),
            out_features=["res3", "res4", "res5"],
            freeze_at=2,
        ),
        in_features=["res3", "res4", "res5"],
        out_channels=256,
        top_block=L(LastLevelP6P7)(in_channels=2048, out_channels="${..out_channels}", in_feature="res5"),
    ),
    head=L(PluggableRetinaNetHead)(
        input_shape=L(head_input_shape)(
            out_channels="${...backbone.out_channels}", in_features="${...head_in_features}"
        ),
        num_classes="${..num_classes}",
        num_anchors=L(num_cell_anchors)(anchor_generator="${...anchor_generator}"),
        cls_loss="${..cls_loss}",
        conv_dims=[256, 256, 256, 256],
        norm="",
        prior_prob=0.01,  # or "stationary": the constant score at which the loss is smallest on the training data
    ),
    anchor_generator=L(OctaveAnchorGenerator)(
        strides=L(feature_strides)(in_features="${...head_in_features}"),
        octave_base_scale=4.0,
        scales_per_octave=3,
        aspect_ratios=[0.5, 1.0, 2.0],
        offset=0.0,
    ),
    box2box_transform=L(Box2BoxTransform)(weights=[1.0, 1.0, 1.0, 1.0]),
    anchor_matcher=L(Matcher)(thresholds=[0.4, 0.5], labels=[0, -1, 1], allow_low_quality_matches=True),
    num_classes=80,
    head_in_features=["p3", "p4", "p5", "p6", "p7"],
    # alpha, gamma and beta follow losses.focal and box_losses.l1 where a config has them (../losses.py)
    cls_loss=L(SigmoidFocalLoss)(
        alpha="${oc.select:losses.focal.alpha,0.25}", gamma="${oc.select:losses.focal.gamma,2.0}"
    ),
    box_loss=L(SmoothL1Loss)(beta="${oc.select:box_losses.l1.beta,0.0}"),
    test_score_thresh=0.05,
    test_nms_thresh=0.5,
    # for the MSRA weights of Detectron2's model zoo: BGR, with the standard deviation folded into conv1
    pixel_mean=[103.53, 116.28, 123.675],
    pixel_std=[1.0, 1.0, 1.0],
    input_format="BGR",
)
