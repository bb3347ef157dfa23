"""Devices and settings of torch."""

import pytest
import torch
from conftest import QUICK, TINY, train_args
from detectron2.config import LazyConfig
from detectron2.engine.launch import DEFAULT_TIMEOUT
from torch import distributed

from retina_plugin.config import ConfigError, get_config, load_config
from retina_plugin.config.device import default_device
from retina_plugin.engine import launching, main
from retina_plugin.engine.setup import build_model, configure_torch, resolve_device
from retina_plugin.inference.predictor import LazyPredictor
from retina_plugin.run_folder import read_config


@pytest.fixture
def restored_torch():
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True


def test_the_device_of_a_config_is_one_that_torch_knows():
    device = get_config(QUICK).train.device
    assert torch.empty(1, device=device).device.type == default_device()
    assert resolve_device("auto") == default_device()


def test_a_bare_assertion_of_detectron2_is_told():
    message = r"AssertionError: assert len\(labels\) == len\(thresholds\) - 1 \(matcher.py\)"
    with pytest.raises(ConfigError, match=message):
        build_model(get_config(QUICK, [*TINY, "model.anchor_matcher.thresholds=[0.5]"]))


@pytest.mark.parametrize("name", ["mps", "mps:0"])
def test_mps_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=f"train.device='{name}' is not available: .* float64 .*, which MPS lacks"):
        resolve_device(name)


def test_a_config_that_says_auto_trains(tmp_path):
    main(train_args(tmp_path / "run", "train.device=auto", "train.max_iter=1"))
    assert load_config(tmp_path / "run" / "config.yaml").train.device == "auto"


def test_a_run_of_another_machine_predicts_on_this_one(trained_run, tmp_path):
    cfg = load_config(trained_run / "config.yaml")
    cfg.train.device = "cuda:99"
    LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
    assert read_config(tmp_path).train.device == default_device()
    weights = trained_run / "model_final.pth"
    model = LazyPredictor.from_run(tmp_path, weights).model
    assert next(model.parameters()).device.type == default_device()
    with pytest.raises(ConfigError, match="train.device='cuda:98' is not available.*This machine"):
        LazyPredictor.from_run(tmp_path, weights, ["train.device=cuda:98"])


def test_processes_of_torchrun_wait_as_long_as_those_of_num_gpus(monkeypatch):
    class Started(Exception):
        pass

    def start(backend, *, timeout, **_):
        assert timeout == DEFAULT_TIMEOUT
        raise Started

    for name, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(launching, "rendezvous", lambda _: iter([(distributed.HashStore(), 0, 1)]))
    monkeypatch.setattr(distributed, "init_process_group", start)
    with pytest.raises(Started):
        launching.launch_training(main, train_args("run", num_gpus=1, num_machines=1))


def test_a_restart_by_torchrun_does_not_resume_an_earlier_run(tmp_path, monkeypatch):
    run, store = tmp_path / "run", distributed.HashStore()
    run.mkdir()
    (run / "model_final.pth").write_bytes(b"of an earlier run")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert not launching._restarted(train_args(run), store)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert not launching._restarted(train_args(run), store)  # a process died before the folder was moved aside
    run.rename(tmp_path / "run.1")
    assert not launching._restarted(train_args(run), store)
    run.mkdir()
    (run / "model_0000001.pth").write_bytes(b"of this run")
    assert launching._restarted(train_args(run), store)
    assert launching._restarted(train_args(run), distributed.HashStore())  # a store that remembers nothing
    assert not launching._restarted(train_args(run, eval_only=True), store)


def test_cudnn_benchmark_is_set_as_detectron2_does(tmp_path, restored_torch):
    main(train_args(tmp_path / "run", "train.cudnn_benchmark=true", "train.max_iter=1"))
    assert torch.backends.cudnn.benchmark is True
    with pytest.raises(ConfigError, match=r"train.deterministic=True needs train.cudnn_benchmark"):
        configure_torch(get_config(QUICK, ["train.deterministic=true", "train.cudnn_benchmark=true"]).train)


def test_float32_precision_is_set_as_detectron2_does(monkeypatch, restored_torch):
    train = get_config(QUICK, [*TINY, "+train.float32_precision=high"]).train
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    configure_torch(train)
    assert torch.get_float32_matmul_precision() == "high" and torch.backends.cudnn.allow_tf32
    train.float32_precision = "highest"
    configure_torch(train)
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32
    train.float32_precision = "double"
    with pytest.raises(ConfigError, match="train.float32_precision='double' is unknown: use one of"):
        configure_torch(train)
