"""The parts from a yacs config, through Detectron2's own build_model and DefaultTrainer."""

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.engine import DefaultTrainer
from detectron2.layers import ShapeSpec
from detectron2.model_zoo import get_config_file
from detectron2.modeling import build_anchor_generator, build_backbone, build_model

from retina_plugin import add_retina_plugin_config
from retina_plugin.data import register_synthetic
from retina_plugin.modeling import BiFPN, OctaveAnchorGenerator, PluggableRetinaNet
from retina_plugin.modeling.backbone.bifpn import WeightedFusion
from retina_plugin.modeling.losses import build_cls_loss


def yacs_cfg(*opts):
    cfg = get_cfg()
    add_retina_plugin_config(cfg)
    cfg.merge_from_file(get_config_file("COCO-Detection/retinanet_R_50_FPN_1x.yaml"))
    cfg.merge_from_list(
        [
            "MODEL.META_ARCHITECTURE",
            "PluggableRetinaNet",
            "MODEL.DEVICE",
            "cpu",
            "MODEL.WEIGHTS",
            "",
        ]
        + ["MODEL.FPN.OUT_CHANNELS", 32, "MODEL.RETINANET.NUM_CONVS", 1, *opts]
    )
    return cfg


SMALL = ["MODEL.BACKBONE.NAME", "build_retinanet_torchvision_bifpn_backbone"]
SMALL += ["MODEL.TORCHVISION.NAME", "mobilenet_v3_small", "MODEL.TORCHVISION.WEIGHTS", ""]
SMALL += ["MODEL.TORCHVISION.NORM", "BN", "MODEL.FPN.NUM_REPEATS", 1]
SMALL += ["MODEL.ANCHOR_GENERATOR.NAME", "OctaveAnchorGenerator", "MODEL.RETINANET.NUM_CLASSES", 3]


def test_default_trainer_runs_every_part(tmp_path):
    name = register_synthetic("yacs", 4, {"image_size": 64, "object_size": [12, 40]}, str(tmp_path))
    softmax = ["MODEL.RETINANET.CLS_LOSS", "SoftmaxCrossEntropyLoss"]
    cfg = yacs_cfg(*SMALL, *softmax, "MODEL.RETINANET.BBOX_REG_LOSS_TYPE", "giou")
    cfg.merge_from_list(["DATASETS.TRAIN", (name,), "DATALOADER.NUM_WORKERS", 0])
    cfg.merge_from_list(["SOLVER.IMS_PER_BATCH", 2, "SOLVER.MAX_ITER", 2, "TEST.EVAL_PERIOD", 0])
    cfg.merge_from_list(["INPUT.MIN_SIZE_TRAIN", (64,), "OUTPUT_DIR", str(tmp_path / "run")])
    cfg.DATASETS.TEST = ()
    (tmp_path / "run").mkdir()
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    model = trainer.model
    assert isinstance(model, PluggableRetinaNet) and isinstance(model.backbone, BiFPN)
    assert isinstance(model.anchor_generator, OctaveAnchorGenerator)
    assert model.head.cls_score.out_channels == 9 * 4
    assert type(model.box_loss).__name__ == "GIoULoss"
    assert (tmp_path / "run" / "model_final.pth").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "build_retinanet_resnet_fpn_backbone",
        "build_retinanet_resnet_pafpn_backbone",
        "build_retinanet_resnet_bifpn_backbone",
        "build_retinanet_torchvision_fpn_backbone",
        "build_retinanet_torchvision_pafpn_backbone",
    ],
)
@pytest.mark.parametrize("in_feature", ["res5", "p5"])
def test_every_backbone_builds(name, in_feature):
    opts = [*SMALL, "MODEL.BACKBONE.NAME", name, "MODEL.FPN.TOP_BLOCK_IN_FEATURE", in_feature]
    if "_resnet_fpn" in name and in_feature == "p5":  # Detectron2's own builder
        with pytest.raises(ValueError, match="_resnet_fpn_backbone takes P6 from 'res5' and does not read .*='p5'"):
            build_model(yacs_cfg(*opts))
        return
    model = build_model(yacs_cfg(*opts)).eval()
    with torch.no_grad():
        levels = model.backbone(torch.zeros(1, 3, 64, 64))
    assert [tuple(x.shape[-2:]) for x in levels.values()] == [
        (8, 8),
        (4, 4),
        (2, 2),
        (1, 1),
        (1, 1),
    ]


def test_bifpn_has_a_fuse_type_of_its_own():
    """Detectron2's default of FUSE_TYPE, "sum", is not that of BiFPN."""
    for opts, normalize in (([], True), (["MODEL.FPN.BIFPN_FUSE_TYPE", "sum"], False)):
        backbone = build_backbone(yacs_cfg(*SMALL, *opts))
        assert {x.normalize for x in backbone.modules() if isinstance(x, WeightedFusion)} == {normalize}


def test_detectron2s_keys_reach_the_losses():
    opts = ["MODEL.RETINANET.FOCAL_LOSS_GAMMA", 1.5, "MODEL.RETINANET.FOCAL_LOSS_ALPHA", -1.0]
    loss = build_model(yacs_cfg(*SMALL, *opts)).cls_loss
    assert (loss.alpha, loss.gamma) == (None, 1.5)
    opts = ["MODEL.RETINANET.CLS_LOSS", "SigmoidCrossEntropyLoss"]
    opts += ["MODEL.RETINANET.CE_LOSS_ALPHA", 0.75, "MODEL.RETINANET.SMOOTH_L1_LOSS_BETA", 0.2]
    model = build_model(yacs_cfg(*SMALL, *opts))
    assert (model.cls_loss.alpha, model.cls_loss.gamma, model.box_loss.beta) == (0.75, 0.0, 0.2)


def test_a_loss_says_which_keys_it_does_not_read(caplog):
    loss = ["MODEL.RETINANET.CLS_LOSS", "SoftmaxFocalLoss"]
    gamma = build_cls_loss(yacs_cfg(*loss, "MODEL.RETINANET.FOCAL_LOSS_GAMMA", 1.5)).gamma
    assert gamma == 2 and "FOCAL_LOSS_GAMMA=1.5: set MODEL.RETINANET.CLS_LOSS_ARGS.gamma" in caplog.text
    caplog.clear()
    args = ["MODEL.RETINANET.CLS_LOSS_ARGS.gamma", 1.5, "MODEL.RETINANET.FOCAL_LOSS_GAMMA", 1.0]
    assert build_cls_loss(yacs_cfg(*loss, *args)).gamma == 1.5 and "does not read" not in caplog.text
    build_cls_loss(yacs_cfg("MODEL.RETINANET.FOCAL_LOSS_GAMMA", 1.5))
    assert "does not read" not in caplog.text


def test_an_argument_that_a_loss_lacks_is_refused():
    args = ["MODEL.RETINANET.CLS_LOSS", "SigmoidCrossEntropyLoss", "MODEL.RETINANET.CLS_LOSS_ARGS.epsilon", 1.0]
    with pytest.raises(ValueError, match="CLS_LOSS_ARGS.epsilon is not an argument of SigmoidCrossEntropyLoss.*alpha"):
        build_cls_loss(yacs_cfg(*args))


def test_detectron2s_config_is_left_alone():
    add_retina_plugin_config(get_cfg())
    assert "TORCHVISION" not in get_cfg().MODEL


def octave_generator(*opts):
    cfg = yacs_cfg("MODEL.ANCHOR_GENERATOR.NAME", "OctaveAnchorGenerator", *opts)
    return build_anchor_generator(cfg, [ShapeSpec(stride=s) for s in (8, 16, 32, 64, 128)])


RATIOS, SIZES = "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", "MODEL.ANCHOR_GENERATOR.SIZES"
PER_OCTAVE, OCTAVES = (f"MODEL.ANCHOR_GENERATOR.{x}" for x in ("SCALES_PER_OCTAVE", "NUM_OCTAVES"))


@pytest.mark.parametrize(
    ("opts", "number"),
    [
        ([], 9),
        ([PER_OCTAVE, 2, OCTAVES, 2], 12),  # the table of Base-RetinaNet.yaml is nobody's choice
        ([RATIOS, [[1.0]] * 5], 3),
        ([SIZES, [[32, 64, 128, 256, 512]]], 9),  # Detectron2's default
        ([SIZES, [[32.0], [64.0], [128.0], [256.0], [512.0]], PER_OCTAVE, 1], 3),
    ],
)
def test_anchor_keys_are_honoured(opts, number):
    assert octave_generator(*opts).num_cell_anchors == [number] * 5


@pytest.mark.parametrize(
    ("opts", "message"),
    [
        ([RATIOS, [[1.0], [0.5, 1, 2]]], r"ANCHOR_GENERATOR.ASPECT_RATIOS.*same aspect ratios"),
        ([SIZES, [[16], [32], [64], [128], [256]]], r"ANCHOR_GENERATOR.SIZES is.*NUM_OCTAVES"),
    ],
)
def test_anchor_keys_that_would_be_ignored_are_refused(opts, message):
    with pytest.raises(ValueError, match=message):
        octave_generator(*opts)


def test_arguments_of_the_loss_may_come_from_the_command_line_or_a_file(tmp_path):
    poly = ["MODEL.RETINANET.CLS_LOSS", "PolyFocalLoss"]
    args = "MODEL.RETINANET.CLS_LOSS_ARGS"
    default = repr(build_model(yacs_cfg(*SMALL, *poly)).cls_loss)
    for opts in ([f"{args}.epsilon", "-0.5"], [f"{args}.epsilon", -0.5], [args, {"epsilon": -0.5}]):
        loss = build_model(yacs_cfg(*SMALL, *poly, *opts)).cls_loss
        assert repr(loss) == default.replace("=-1.0", "=-0.5") != default
    cfg = yacs_cfg(*SMALL, *poly)
    (tmp_path / "own.yaml").write_text("MODEL: {RETINANET: {CLS_LOSS_ARGS: {epsilon: -0.5, alpha: [0.2, 0.3, 0.4]}}}")
    cfg.merge_from_file(str(tmp_path / "own.yaml"))
    loss = build_model(cfg).cls_loss
    assert loss.alpha == (0.2, 0.3, 0.4) and "=-0.5" in repr(loss)
