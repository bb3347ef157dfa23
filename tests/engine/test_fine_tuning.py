"""Training that begins from a detector of other classes, in the form of Detectron2's model zoo."""

import logging
import pickle
import re
from urllib.error import URLError

import pytest
import torch
from conftest import train_args
from detectron2 import model_zoo
from detectron2.config import LazyCall as L
from detectron2.config import get_cfg, instantiate
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_anchor_generator
from detectron2.modeling import build_model as build_upstream
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import setup_logger

from retina_plugin.config import ConfigError, get_config
from retina_plugin.config.learning_rate import linear_scaled_lr
from retina_plugin.engine import RunCheckpointer, logs, main
from retina_plugin.engine.run_data import initial_classes, record_data
from retina_plugin.engine.setup import build_model
from retina_plugin.weights import CheckpointError

FINETUNE = "custom/retinanet_R_50_FPN_finetune.py"
FILES = ["data.train_json=x", "data.train_images=x", "data.val_json=x", "data.val_images=x"]
COCO = ["circle", "bus", "Square"]  # the synthetic classes are circle, square and triangle


def write_zoo(path, model, **more):
    """A file as the zoo's: arrays by name, also of buffers that are no longer saved."""
    arrays = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    stated = {n: b.numpy() for n, b in model.named_buffers() if n not in arrays and not n.startswith("loss")}
    with path.open("wb") as f:
        pickle.dump({"model": arrays | stated | more, "__author__": "Detectron2 Model Zoo"}, f, protocol=2)
    return path


@pytest.fixture
def zoo(tmp_path, tiny_cfg):
    """Weights of a detector of three other classes, far from those that any seed draws."""
    model = build_model(tiny_cfg("model.num_classes=3"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("head"):
                parameter += 1.0
    return write_zoo(tmp_path / "model_final_5bd44e.pkl", model), model.state_dict()


def test_a_training_takes_the_detector_and_the_classes_of_equal_names(zoo, tmp_path, capsys, monkeypatch):
    path, theirs = zoo
    for name in logs._LOGGERS:  # those of earlier tests write to what these have captured
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    setup_logger.cache_clear()
    opts = [f"train.init_checkpoint={path}", f"train.init_classes=[{','.join(COCO)}]"]
    main(train_args(tmp_path / "run", *opts, "optimizer.lr=0.0", "train.max_iter=1"))
    ours = torch.load(tmp_path / "run" / "model_final.pth", weights_only=True)["model"]
    assert torch.equal(ours["head.bbox_pred.weight"], theirs["head.bbox_pred.weight"])
    bias, source = (w["head.cls_score.bias"].unflatten(0, (9, 3)) for w in (ours, theirs))
    assert torch.equal(bias[:, :2], source[:, [0, 2]])
    assert bias[:, 2].sigmoid().allclose(torch.tensor(0.01))
    log, terminal = (tmp_path / "run" / "log.txt").read_text(), capsys.readouterr().out
    for text in (log, terminal):
        assert re.search(rf"(\d+) of \1 tensors from {path}: ", text)
        assert "classes taken over by name: circle, square; new, from the prior: triangle" in text
    assert "head.bbox_pred.weight" in log and "head.bbox_pred.weight" not in terminal
    assert "not used" not in log and "other values" not in log


def test_as_many_classes_without_names_are_taken_in_their_order_and_the_log_says_so(zoo, tiny_cfg, tmp_path):
    model = build_model(tiny_cfg("model.num_classes=3"))
    found = RunCheckpointer(model, str(tmp_path)).load_some(str(zoo[0]))
    assert torch.equal(model.state_dict()["head.cls_score.bias"], zoo[1]["head.cls_score.bias"])
    assert "order of classes: if yours differ, name the checkpoint's in train.init_classes" in found.summary()


def test_a_folder_in_place_of_a_checkpoint_is_named_as_one(tiny_cfg, tmp_path):
    with pytest.raises(CheckpointError, match="is a folder: name a file in it, such as model_final.pth"):
        RunCheckpointer(build_model(tiny_cfg()), str(tmp_path)).load_some(str(tmp_path))


def test_the_weights_are_those_that_a_run_with_an_average_was_evaluated_with(tiny_cfg, tmp_path, caplog):
    plain, average = ({k: v + i for k, v in build_model(tiny_cfg()).state_dict().items()} for i in (0, 1))
    torch.save({"model": plain, "ema": {"model": average, "steps": 3}, "iteration": 2}, tmp_path / "run.pth")
    torch.save({"model": plain, "ema": "of another program"}, tmp_path / "other.pth")
    for name, expected in {"run": average, "other": plain}.items():
        model = build_model(tiny_cfg())
        RunCheckpointer(model).load_some(str(tmp_path / f"{name}.pth"))
        assert torch.equal(model.head.bbox_pred.weight, expected["head.bbox_pred.weight"])
    RunCheckpointer(model).load_some(str(tmp_path / "run.pth"), averaged=False)
    assert torch.equal(model.head.bbox_pred.weight, plain["head.bbox_pred.weight"])
    assert caplog.text.count("averaged ones of a run with train.ema_decay") == 1


def test_other_anchors_are_told_and_leave_the_head_new(zoo, tiny_cfg):
    path, theirs = zoo
    model = build_model(tiny_cfg("model.anchor_generator.scales_per_octave=2"))
    text = RunCheckpointer(model).load_some(str(path)).summary()
    assert "its head has 9 anchors per location and the model 6" in text and "leave model.anchor_generator" in text
    assert torch.equal(model.head.cls_subnet[0].weight, theirs["head.cls_subnet.0.weight"])
    same_number = build_model(tiny_cfg("model.anchor_generator.octave_base_scale=3.0", "model.pixel_mean=[1,2,3]"))
    found = RunCheckpointer(same_number).load_some(str(path))
    assert found.stated.differing == ("pixel_mean", *(f"anchor_generator.cell_anchors.{i}" for i in range(5)))
    assert "trained with other values of pixel_mean, anchor_generator.cell_anchors.0" in found.summary()


def test_a_checkpoint_of_which_nearly_nothing_fits_is_refused(zoo, tiny_cfg, tmp_path):
    other = build_model(tiny_cfg("model.backbone.out_channels=24", "model.head.conv_dims=[24]"))
    renamed = {f"net.{name}": value for name, value in other.state_dict().items()}
    one = renamed | {"head.bbox_pred.bias": other.head.bbox_pred.bias}
    for weights, message in ((renamed, "no tensor"), (one, r"1 of \d+ tensors")):
        torch.save({"model": weights}, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match=rf"x.pth has {message} that fit .* It has net\..* needs backbone"):
            RunCheckpointer(build_model(tiny_cfg())).load_some(str(tmp_path / "x.pth"))


def test_without_a_network_the_error_has_the_address_and_the_override(tiny_cfg, monkeypatch):
    address = get_config(FINETUNE).train.init_checkpoint
    url = model_zoo.get_checkpoint_url("COCO-Detection/retinanet_R_50_FPN_3x.yaml")

    def no_network(path, **_):
        raise URLError("Name or service not known")

    monkeypatch.setattr(PathManager, "get_local_path", no_network)
    with pytest.raises(CheckpointError, match="cannot be downloaded") as error:
        RunCheckpointer(build_model(tiny_cfg())).load_some(address)
    assert url in str(error.value) and "train.init_checkpoint=/path/to/model_final_5bd44e.pkl" in str(error.value)


def test_the_config_is_the_detector_of_the_zoo():
    """Every name and shape, the pixels and the anchors are those of Detectron2's own model; no weight is drawn."""
    theirs = get_cfg()
    theirs.merge_from_file(model_zoo.get_config_file("COCO-Detection/retinanet_R_50_FPN_3x.yaml"))
    theirs.MODEL.DEVICE = "meta"
    cfg = get_config(FINETUNE, [*FILES, "model.num_classes=80"])
    with torch.device("meta"):
        upstream, ours = build_upstream(theirs), instantiate(cfg.model)
    shapes = [{k: v.shape for k, v in model.state_dict().items()} for model in (upstream, ours)]
    assert shapes[0] == {k: v for k, v in shapes[1].items() if "loss_normalizer" not in k}
    assert list(cfg.model.pixel_mean) == theirs.MODEL.PIXEL_MEAN
    assert list(cfg.model.pixel_std) == theirs.MODEL.PIXEL_STD
    assert cfg.model.input_format == theirs.INPUT.FORMAT
    anchors = [instantiate(cfg.model.anchor_generator).cell_anchors, build_upstream_anchors(theirs)]
    assert all(torch.allclose(a, b) for a, b in zip(*anchors, strict=True))


def build_upstream_anchors(cfg):
    return build_anchor_generator(cfg, [ShapeSpec(stride=s) for s in (8, 16, 32, 64, 128)]).cell_anchors


@pytest.mark.parametrize(("batch", "lr"), [(16, 0.01), (2, 0.00125)])
def test_the_learning_rate_follows_the_batch(batch, lr):
    cfg = get_config(FINETUNE, [*FILES, f"dataloader.train.total_batch_size={batch}"])
    assert instantiate(cfg.optimizer.lr) == lr


def test_a_run_folder_has_the_number(tiny_cfg):
    cfg = tiny_cfg()
    cfg.optimizer.lr = L(linear_scaled_lr)(batch_size="${dataloader.train.total_batch_size}")
    record_data(cfg)
    assert cfg.optimizer.lr == 0.00125


def test_class_names_of_the_checkpoint(tiny_cfg):
    cfg = get_config(FINETUNE, FILES)
    assert initial_classes(tiny_cfg()) is None
    for names, theirs in ((cfg.train.init_classes, ("person", "bicycle", "car")), (["a", "b"], ("a", "b"))):
        tiny = tiny_cfg()
        tiny.train.init_classes = names
        record_data(tiny)
        found = initial_classes(tiny)
        assert found.theirs[:3] == theirs and found.ours == ("circle", "square", "triangle")
    assert len(found.theirs) == 2
    for wrong in ("circle", "3"):
        with pytest.raises(ConfigError, match=f"must be a list of names, got {wrong}"):
            initial_classes(tiny_cfg(f"train.init_classes={wrong}"))
