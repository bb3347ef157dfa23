"""Every config of the tree, and everything a config or an override can do wrong."""

import builtins

import pytest
import torch
from conftest import QUICK, ROOT
from detectron2.config import LazyConfig, instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from retina_plugin.config import ConfigError, get_config, load_config, quoted
from retina_plugin.modeling.backbone import without_pretrained_weights

CONFIGS = sorted([*ROOT.glob("configs/*/retinanet_*.py"), *ROOT.glob("projects/*/configs/*.py")])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_builds_its_parts_and_survives_a_round_trip(path, tmp_path):
    cfg = load_config(path)
    if "data" in cfg:
        values = ("train_json", "train_images", "val_json", "val_images")
        cfg = load_config(path, ["model.num_classes=3", *(f"data.{key}=x" for key in values)])
    with without_pretrained_weights(), torch.device("meta"):  # shapes without values
        model = instantiate(cfg.model)
    cfg.optimizer.params.model = model
    assert isinstance(instantiate(cfg.optimizer), torch.optim.Optimizer)
    del cfg.optimizer.params.model
    assert 0 <= instantiate(cfg.lr_multiplier)(0.5) <= 1
    for loader in (cfg.dataloader.train, cfg.dataloader.test):
        assert instantiate(loader.mapper).image_format == cfg.model.input_format
    LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
    again = load_config(tmp_path / "config.yaml")
    LazyConfig.save(again, str(tmp_path / "again.yaml"))
    assert (tmp_path / "again.yaml").read_text() == (tmp_path / "config.yaml").read_text()
    with without_pretrained_weights(), torch.device("meta"):
        twin = instantiate(again.model)
    shapes = {name: p.shape for name, p in model.state_dict().items()}
    assert {name: p.shape for name, p in twin.state_dict().items()} == shapes


def test_there_are_configs_to_test():
    assert len(CONFIGS) >= 9


def test_a_config_is_found_by_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert get_config(QUICK).model.num_classes == load_config(QUICK).model.num_classes == 3
    with pytest.raises(ConfigError, match=r"no config 'quick/nothing.py'.*retinanet_tiny"):
        get_config("quick/nothing.py")


def test_upstreams_schedule_is_kept():
    from detectron2 import model_zoo

    for name in ("1x", "3x"):
        ours = get_config(f"COCO-Detection/retinanet_R_50_FPN_{name}.py")
        theirs = model_zoo.get_config("common/coco_schedule.py")[f"lr_multiplier_{name}"]
        for where in [i / 97 for i in range(97)]:
            assert instantiate(ours.lr_multiplier)(where) == instantiate(theirs)(where)
    theirs = model_zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x.py")
    ours = get_config("COCO-Detection/retinanet_R_50_FPN_1x.py")
    for key in ("lr", "momentum", "weight_decay"):
        assert ours.optimizer[key] == theirs.optimizer[key]
    assert ours.train.init_checkpoint == theirs.train.init_checkpoint


@pytest.mark.parametrize("loss", ["focal", "sigmoid_ce", "balanced_ce", "softmax_ce"])
def test_a_loss_is_one_override(loss):
    with without_pretrained_weights():
        model = instantiate(get_config(QUICK, [f"model.cls_loss=${{losses.{loss}}}"]).model)
    assert model.head.cls_score.out_channels == 9 * (4 if loss == "softmax_ce" else 3)


def test_anchors_classes_and_backbone_are_one_override_each():
    overrides = ["model.anchor_generator.scales_per_octave=2", "model.num_classes=7"]
    overrides += ["model.backbone.bottom_up.name=resnet18", "model.backbone.out_channels=32"]
    with without_pretrained_weights():
        model = instantiate(get_config(QUICK, overrides).model)
    assert model.head.cls_score.out_channels == 6 * 7
    assert model.backbone.top_block.p6.in_channels == 512


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.max_itr=10", r"train.max_itr is unknown; did you mean max_iter\?"),
        ("trian.max_iter=10", r"trian is unknown; did you mean train\?"),
        ("model.cls_los=1", r"model.cls_los is unknown; did you mean cls_loss\?"),
        ("model.cls_loss.gama=1", r"gama is unknown; did you mean gamma\?"),
        ("model.head.norms=GN", r"model.head.norms is unknown; did you mean norm\?"),
        (
            "train.max_iter=many",
            r"train.max_iter='many': the key holds an integer \(240\), not a string",
        ),
        ("train.max_iter=1.5", r"an integer \(240\), not a float"),
        ("model.head.conv_dims=64", r"holds a list"),
        ("train.amp=1", r"the key holds a mapping"),
        ("train.max_iter.x=1", r"train.max_iter is 240 and has no keys below it"),
        ("model.cls_loss=focal", r"model.cls_loss='focal'.*SigmoidFocalLoss.*\$\{losses.focal\}"),
        ("max_iter", r"'max_iter' is not a valid override: write key=value"),
        ("model.cls_loss=${losses.fokal}", r"no losses.fokal; did you mean focal\?"),
        ("+model.foo=3", r"model.foo is unknown"),
        ("model.head.conv_dims=[1,2", r"cannot be parsed"),
        ("train.checkpointer=null", r"train.checkpointer must be a mapping of .*period.*, got None"),
        ("model.test_score_thresh=null", r"test_score_thresh=null: the key holds a float and needs a value"),
        ("model.pixel_mean=null", r"model.pixel_mean=null: the key holds a list"),
        (
            "dataloader.train.dataset.names.dials.noise=1",
            r"names.dials is now called dataloader.train.dataset.names.settings",
        ),
    ],
)
def test_bad_overrides_name_the_key(override, message):
    with pytest.raises(ConfigError, match=message):
        get_config(QUICK, [override])


@pytest.mark.parametrize("key", ["model.backbone.norm", "model.head.norm", "train.max_minutes"])
def test_null_stays_possible_where_no_annotation_excludes_it(key):
    assert OmegaConf.select(get_config(QUICK, [f"{key}=null"]), key) is None


def test_an_override_may_refer_to_a_key_without_a_value():
    relative, empty = "train.eval_period=${.max_iter}", "train.max_minutes=${train.ema_decay}"
    cfg = get_config(QUICK, [relative, empty, "+a=???", "+c=${a}", "+d=[1]", "+e=${d.0}"])
    assert cfg.train.eval_period == cfg.train.max_iter and cfg.train.max_minutes is None and cfg.e == 1


@settings(deadline=None, max_examples=50)
@given(st.text("ab /\\'\",=[]{}:#~é", min_size=1))
def test_a_quoted_path_comes_through(path):
    cfg = get_config(QUICK, [f"train.output_dir={quoted(path)}"])
    assert cfg.train.output_dir == path


def test_an_override_reaches_through_an_interpolation():
    for key in ("model.cls_loss.gamma", "model.head.cls_loss.gamma", "losses.focal.gamma"):
        cfg = get_config(QUICK, [f"{key}=3.0"])
        loss = instantiate(cfg.model.cls_loss)
        assert (type(loss).__name__, loss.gamma, loss.alpha) == ("SigmoidFocalLoss", 3.0, 0.25)
    cfg = get_config(QUICK, ["losses.focal.alpha=[0.2,0.3,0.4]"])
    assert instantiate(cfg.model.cls_loss).alpha == (0.2, 0.3, 0.4)


def test_a_value_takes_the_place_of_a_part():
    strides = "model.anchor_generator.strides=[8,16,32,64,128]"
    cfg = get_config(QUICK, [strides, "model.head.num_anchors=9"])
    assert list(cfg.model.anchor_generator.strides) == [8, 16, 32, 64, 128]
    assert cfg.model.head.num_anchors == 9


def test_a_fraction_takes_the_place_of_an_integer_where_the_target_takes_fractions():
    key = "model.anchor_generator.octave_base_scale"
    assert get_config(QUICK, [f"{key}=3", f"{key}=2.5"]).model.anchor_generator.octave_base_scale == 2.5
    with pytest.raises(ConfigError, match=r"scales_per_octave=2.5: the key holds an integer \(\d\), not a float"):
        get_config(QUICK, ["model.anchor_generator.scales_per_octave=2.5"])


def test_an_argument_that_the_config_leaves_out_can_be_set():
    cfg = get_config(QUICK, ["model.test_topk_candidates=50", "optimizer.lr=1", "+note=hello"])
    assert cfg.model.test_topk_candidates == 50 and cfg.optimizer.lr == 1 and cfg.note == "hello"
    assert get_config(QUICK, ["train.output_dir=/a b(1)/c"]).train.output_dir == "/a b(1)/c"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train = dict(max_itr=10)", r"train.max_itr is unknown; did you mean max_iter"),
        (
            "train = dict(amp=dict(enable=True))",
            r"train.amp.enable is unknown; did you mean enabled",
        ),
        ("train = dict(max_iter='hundred')", r"train.max_iter='hundred': the key holds an integer"),
        ("1 / 0", r"raises ZeroDivisionError: division by zero"),
        ("from .nothing import x", r"raises ImportError: .*nothing"),
        ("x = = 1", r"raises SyntaxError"),
        (
            "from detectron2.config import LazyCall as L\n"
            "from retina_plugin.modeling.losses import SigmoidFocalLoss\n"
            "model = L(SigmoidFocalLoss)(gama=1.0)",
            r"model.gama is unknown; did you mean gamma",
        ),
    ],
)
def test_bad_config_files_say_what_is_wrong_and_leave_import_alone(text, message, tmp_path):
    (tmp_path / "bad.py").write_text(text)
    before = builtins.__import__
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "bad.py")
    assert builtins.__import__ is before


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="does not exist; retina_plugin has COCO-Detection/"):
        load_config(tmp_path / "nothing.py")
    with pytest.raises(ConfigError, match=r"does not exist .*; did you mean custom/retinanet_MNV2_FPN.py\?"):
        load_config("custom/retinanet_MNV2.py")
    (tmp_path / "picture.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="must end in .py or .yaml"):
        load_config(tmp_path / "picture.png")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="no mapping"):
        load_config(tmp_path / "list.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: null", "train must be a mapping .* got None"),
        ("train: [1]", "train must be a mapping"),
        ("train: {5: 3}", "train.5 is unknown"),
        ("train: {checkpointer: null}", "train.checkpointer must be a mapping"),
        ("train: {checkpointer: '${train.amp}'}", "InterpolationKeyError"),
        ("model: {_target_: retina_plugin.modeling.PluggableRetinaNet, 5: 3}", "model.5 is unknown"),
    ],
)
def test_yaml_files_of_another_shape_are_named(text, message, tmp_path):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"bad.yaml.*{message}"):
        load_config(tmp_path / "bad.yaml")


@pytest.mark.parametrize("tag", ["object/apply:", "object/new:", "object:", "module:"])
@pytest.mark.parametrize("inside", ["x: {}", "x: !!python/tuple [1, [{}]]", "x: &a {}\ny: *a"])
def test_a_yaml_config_runs_nothing(tmp_path, tag, inside):
    call = f"!!python/{tag}os.mkdir ['{tmp_path}/was_run']"
    (tmp_path / "evil.yaml").write_text("# a config\n" + inside.format(call))
    with pytest.raises(ConfigError, match=rf"evil.yaml: line 2 is not a plain .*python/{tag}os.mkdir"):
        load_config(tmp_path / "evil.yaml")
    assert not (tmp_path / "was_run").exists()


def test_a_yaml_config_may_name_classes_and_hold_tuples(tmp_path):
    cfg = OmegaConf.create({"x": {"norm": torch.nn.BatchNorm2d}}, flags={"allow_objects": True})
    LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
    with (tmp_path / "config.yaml").open("a") as f:
        f.write("size: !!python/tuple [1, 2]\ncall: {_target_: os.mkdir, path: was_run}\n")
    again = load_config(tmp_path / "config.yaml")
    assert again.x.norm is torch.nn.BatchNorm2d
    assert list(again.size) == [1, 2]
    assert not (tmp_path / "was_run").exists()
    (tmp_path / "config.yaml").write_text("x: !!python/name:torch.nn.Nothing ''")
    with pytest.raises(ConfigError, match=r"torch\.nn\.Nothing"):
        load_config(tmp_path / "config.yaml")


def test_the_target_of_a_part_may_be_another_that_takes_its_arguments():
    cfg = get_config(QUICK, ["model.backbone._target_=retina_plugin.modeling.PAFPN"])
    assert type(instantiate(cfg.model).backbone).__name__ == "PAFPN"
    for name, message in (("nowhere.Net", "cannot be imported"), ("torch.nn.ReLU", "is unknown")):
        with pytest.raises(ConfigError, match=message):
            get_config(QUICK, [f"model.backbone._target_={name}"])


def test_the_config_of_an_earlier_run_loads_with_its_former_names():
    cfg = load_config(ROOT / "tests/fixtures/old_runs/run/config.yaml")
    assert cfg.dataloader.train.dataset.names.dials.image_size == 64
    assert instantiate(cfg.dataloader.train.dataset.names).startswith("synthetic_train_8_")
    assert cfg.dataloader.train.seed == cfg.train.seed
