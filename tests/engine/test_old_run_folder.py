"""A run folder that an earlier version wrote is resumed, evaluated and used for prediction."""

import argparse
import shutil

import numpy as np
import pytest
import torch
from conftest import ROOT

from retina_plugin.config import ConfigError, load_config
from retina_plugin.engine import main, run
from retina_plugin.engine.reliability.identity import RunIdentity
from retina_plugin.engine.reliability.verify import TIMES
from retina_plugin.inference.predictor import LazyPredictor
from retina_plugin.run_folder import last_evaluation, read_config, read_metrics

OLD = ROOT / "tests" / "fixtures" / "old_runs"
NEW = (*TIMES, "best_F1/F1", "best_F1/score_thresh")  # what metrics.json of then did not have, and times


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A folder with the old config and the finished old run; its output_dir is relative."""
    shutil.copytree(OLD / "run", tmp_path / "run")
    shutil.copy(OLD / "small.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def args(config_file, *opts, **flags):
    return argparse.Namespace(
        **{"resume": False, "eval_only": False, "config_file": config_file} | flags, opts=list(opts)
    )


def interrupt(run):
    """Leave the folder as if the process had been killed after its second iteration."""
    (run / "model_final.pth").unlink()
    (run / "last_checkpoint").write_text("model_0000001.pth")
    lines = (run / "metrics.json").read_text().splitlines(keepends=True)
    (run / "metrics.json").write_text("".join(lines[:2]))


@pytest.mark.parametrize("config_file", ["run/config.yaml", "small.py"])
def test_an_interrupted_old_run_ends_as_it_had_ended(old, config_file):
    if torch.__version__.split("+")[0] != "2.14.1":
        pytest.skip("the old run was trained with torch 2.14.1; other versions round differently")
    interrupt(old / "run")
    main(args(config_file, resume=True))
    then, now = (torch.load(run / "model_final.pth", weights_only=True) for run in (OLD / "run", old / "run"))
    for state in (then, now):
        state.pop("run")  # names of classes have changed
        hooks = state["trainer"]["hooks"]
        hooks["MetricsState"] = hooks.pop("MetricsMemory", hooks.get("MetricsState"))
    assert close(then, now)  # bit for bit on the CPU of the old run only, others round differently
    columns = [
        [{k: v for k, v in line.items() if k not in NEW} for line in read_metrics(run / "run")] for run in (OLD, old)
    ]
    assert close(*columns)


def test_an_old_run_is_never_optimized_however_often_it_is_resumed(old, monkeypatch):
    optimized = []
    monkeypatch.setattr(run, "optimize_for_training", optimized.append)
    interrupt(old / "run")
    for _ in range(3):
        main(args("small.py", resume=True))
        assert read_config(old / "run").train.optimize_model is False
    assert not optimized
    (old / "run" / "config.yaml").write_bytes(b"\x80: [")
    with pytest.raises(ConfigError, match="train.optimize_model was False, now True"):
        main(args("small.py", resume=True))
    optimized.clear()
    main(args("small.py", "train.accept_changes=True", resume=True))
    main(args("small.py"))
    assert len(optimized) == 2 and read_config(old / "run").train.optimize_model is True


def close(one, other):
    """Whether two nested values are the same up to the rounding of floating-point numbers in a few steps."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, torch.Tensor | float):
        one, other = torch.as_tensor(one), torch.as_tensor(other)
        return one.dtype == other.dtype and torch.allclose(
            one.double(), other.double(), rtol=1e-4, atol=1e-7, equal_nan=True
        )
    return repr(one) == repr(other)


def test_an_old_run_is_evaluated_as_it_was(old):
    results = main(args("run/config.yaml", eval_only=True))
    expected = last_evaluation(old / "run")
    assert results["bbox"]["AP"] == pytest.approx(expected["bbox/AP"], rel=1e-4)
    assert len(read_metrics(old / "run")) == 5


def test_an_old_run_predicts(old):
    predictor = LazyPredictor.from_run(old / "run")
    instances = predictor(np.full((64, 64, 3), 90, np.uint8))
    assert predictor.metadata.thing_classes == ["circle", "square", "triangle"]
    assert len(instances) > 0


def test_a_real_change_of_an_old_run_is_still_named(old):
    interrupt(old / "run")
    for change in ("optimizer.lr=0.5", "train.hooks=[{_target_: detectron2.engine.hooks.IterationTimer}]",
                   "model.cls_loss=${losses.softmax_ce}"):  # fmt: skip
        key = change.split("=")[0]
        with pytest.raises(ConfigError, match=f"{key}[a-z0-9._]* was .*, now "):
            main(args("small.py", change, resume=True))


def test_a_class_is_the_same_by_every_name(old):
    cfg = load_config("small.py")
    state = RunIdentity(cfg, "data").state_dict()
    cfg.model._target_ = "retina_plugin.modeling.PluggableRetinaNet"
    assert RunIdentity(cfg, "data").changes(state) == []
    cfg.model._target_ = "retina_plugin.modeling.head.PluggableRetinaNetHead"
    (change,) = RunIdentity(cfg, "data").changes(state)
    assert change.startswith("model._target_ was retina_plugin.modeling")


def test_a_name_in_a_checkpoint_imports_no_package(old, tmp_path, monkeypatch):
    (tmp_path / "not_loaded.py").write_text("raise SystemExit('was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = load_config("small.py")
    state = RunIdentity(cfg, "data").state_dict()
    state["config"] = state["config"] | {"model._target_": "not_loaded.Model"}
    assert len(RunIdentity(cfg, "data").changes(state)) == 1


def test_moved_names_lead_to_the_objects_of_today(old, monkeypatch):
    from retina_plugin.config import moved

    names = {"somewhere.Else": "retina_plugin.modeling.PluggableRetinaNet"}
    monkeypatch.setattr(moved, "MOVED_NAMES", names)
    text = (old / "run" / "config.yaml").read_text()
    today = "_target_: retina_plugin.modeling.PluggableRetinaNet\n"
    (old / "moved.yaml").write_text(text.replace(today, "_target_: somewhere.Else\n"))
    cfg = load_config("moved.yaml")
    assert cfg.model._target_ == "retina_plugin.modeling.PluggableRetinaNet"
    state = RunIdentity(cfg, "data").state_dict()
    state["config"] = state["config"] | {"model._target_": "somewhere.Else"}
    assert RunIdentity(cfg, "data").changes(state) == []
