"""What tests share: a detector that trains in seconds, and real data where DETECTRON2_DATASETS has them."""

import argparse
import copy
import functools
import gc
import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

# Tiny networks gain nothing from threads, and threads that wait for each other suffer from whatever else runs.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
# Where this is set, each of the processes that tests start compiles the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest

# Fixtures import torch and the package: the process that hands out tests to others imports this file, too, and waits.

ROOT = Path(__file__).parent.parent
REAL_NET = "model.backbone.bottom_up.name=mobilenet_v3_small"  # for processes that do not import the tests
QUICK = "quick/retinanet_tiny_synthetic.py"
TINY = [
    "model.backbone.bottom_up.name=tiny_net",
    "model.backbone.bottom_up.weights=null",
    "model.backbone.bottom_up.norm=BN",
    "model.backbone.out_channels=16",
    "model.head.conv_dims=[16]",
    "synthetic.image_size=64",
    "synthetic.object_size=[12,40]",
    "synthetic.clutter=[1,3]",
    "dataloader.train.dataset.names.num_images=8",
    "dataloader.test.dataset.names.num_images=4",
    "dataloader.train.total_batch_size=2",
    "dataloader.train.num_workers=0",
    "dataloader.test.num_workers=0",
    "train.max_iter=4",
    "train.log_period=1",
    "train.checkpointer.period=2",
    "train.vis_period=0",
    "train.eval_period=0",
    "model.test_score_thresh=0.0",  # few iterations score nothing above the usual .05
]


def pytest_collection_finish() -> None:
    """Nothing that exists by now is garbage: looking through a million objects again and again takes long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def few_threads() -> None:
    import tiny_net  # noqa: F401
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    os.environ["RETINA_PLUGIN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def files_need_not_survive_a_power_failure() -> Iterator[None]:
    """Waiting for the disk takes a good part of a tiny training; tests of fsync patch it themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def forked_runs() -> Iterator[None]:
    """Runs of studies are forked, which saves the seconds that importing takes."""
    import forked

    from retina_plugin.study.execution import run_process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_process, "subprocess", forked)
        yield


@pytest.fixture(scope="session", autouse=True)
def configs_read_once() -> Iterator[None]:
    """Reading a config takes longer than copying it; those of the project do not change while tests run."""
    from retina_plugin.config import load

    read, kept = load._without_overrides, {}

    def read_once(path: Path, trust):
        found = path.resolve() if path.is_file() else load._packaged(path)
        if found is None or found.suffix == ".py" and ROOT not in found.parents:
            return read(path, trust)
        key = found if found.suffix == ".py" else (found.read_bytes(), tuple(trust))
        if key not in kept:
            kept[key] = pickle.dumps(read(path, trust))
        return pickle.loads(kept[key])  # several times as fast as a deep copy

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_without_overrides", read_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def interpolations_parsed_once() -> Iterator[None]:
    """OmegaConf parses "${losses.focal}" each time it is read, milliseconds each."""
    from omegaconf import base

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "parse", functools.lru_cache(base.parse))
        yield


@pytest.fixture(scope="session", autouse=True)
def tiny_net_traced_once() -> Iterator[None]:
    """Tracing takes most of the time of building a tiny detector, and every tiny_net has the same graphs."""
    from tiny_net import TinyNet
    from torchvision.models.feature_extraction import DualGraphModule

    from retina_plugin.modeling.backbone import torchvision_backbone

    trace, kept = torchvision_backbone.create_feature_extractor, {}

    def trace_once(net, nodes, **settings):
        key = tuple(nodes.items())
        if not isinstance(net, TinyNet) or key not in kept:
            body = trace(net, nodes, **settings)
            if isinstance(net, TinyNet):
                kept[key] = copy.deepcopy((body.train_graph, body.eval_graph))
            return body
        return DualGraphModule(net, *copy.deepcopy(kept[key]), class_name="TinyNet").train(net.training)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchvision_backbone, "create_feature_extractor", trace_once)
        yield


@pytest.fixture(scope="session")
def forked_ranks() -> Iterator[None]:
    """The processes of a training are forked too; Detectron2's launch spawns them."""
    from torch import multiprocessing

    with pytest.MonkeyPatch.context() as patch:
        start = functools.partial(multiprocessing.start_processes, start_method="fork")
        patch.setattr(multiprocessing, "start_processes", start)
        yield


@pytest.fixture(scope="session", autouse=True)
def few_images_to_count() -> Iterator[None]:
    """The share of foreground is counted on few images, which takes less time."""
    from retina_plugin.engine import prior

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prior, "_MOST_IMAGES", 8)
        yield


@pytest.fixture
def unseen_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but not rendered, which takes most of the time of a page: the test looks at its text."""
    from matplotlib.figure import Figure

    def savefig(self: Figure, file: io.BytesIO | Path, **_: object) -> None:
        file.write_bytes(b"") if isinstance(file, Path) else file.write(b"<svg/>")

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.fixture
def tiny_cfg(tmp_path: Path):
    """A function of more overrides that gives the tiny config, with its run folder in tmp_path."""
    from retina_plugin.config import get_config

    return lambda *more: get_config(QUICK, [*TINY, f"train.output_dir={tmp_path}/run", *more])


def train_args(output_dir: Path, *opts: str, config_file: str = QUICK, **flags: bool):
    """What the command line gives to engine.main for the tiny config."""
    args = {"resume": False, "eval_only": False, "config_file": config_file}
    opts = [*TINY, f"train.output_dir={output_dir}", *opts]
    return argparse.Namespace(**args | flags, opts=opts)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, cache) -> Path:
    """The folder of a finished tiny run, with pictures."""
    from retina_plugin.engine import main

    run = tmp_path_factory.mktemp("trained") / "run"
    main(train_args(run, "train.vis_period=4", "train.vis_images=1"))
    return run


def real_data(name: str) -> Path:
    """The folder of a real data set; skips the test where there is none."""
    folder = Path(os.environ.get("DETECTRON2_DATASETS", "datasets")) / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; DETECTRON2_DATASETS says where to look")
    return folder
