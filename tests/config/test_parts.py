"""Parts of our configs in other people's configs, and in Detectron2's own scripts."""

import pytest
from detectron2.config import LazyConfig, instantiate
from detectron2.data.benchmark import DataLoaderBenchmark
from detectron2.data.samplers import TrainingSampler
from omegaconf import OmegaConf

from retina_plugin.config import get_config, load_config

DATA = "from retina_plugin.config import get_config\ndataloader = get_config({!r}).dataloader\n"
SOURCES = ["common/data/coco.py", "common/data/small.py", "quick/retinanet_tiny_synthetic.py"]
OWN = "model = dict(input_format='RGB')\ntrain = dict(max_iter=10, output_dir='/runs/a')\n"


def own_config(tmp_path, text):
    path = tmp_path / "own.py"
    path.write_text(text)
    return path


@pytest.mark.parametrize("load", [LazyConfig.load, load_config], ids=["detectron2", "ours"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_dataloader_works_beside_another_model_and_train(source, load, tmp_path):
    cfg = load(str(own_config(tmp_path, DATA.format(source) + OWN)))
    loader = OmegaConf.to_container(cfg.dataloader, resolve=True, throw_on_missing=True)
    assert loader["train"]["mapper"]["image_format"] == "RGB"
    assert loader["evaluator"]["output_dir"] == "/runs/a/inference"
    assert loader["train"].get("seed") == (0 if load is load_config else None)


@pytest.mark.parametrize("source", SOURCES)
def test_a_dataloader_works_alone(source, tmp_path):
    cfg = LazyConfig.load(str(own_config(tmp_path, DATA.format(source))))
    loader = OmegaConf.to_container(cfg.dataloader, resolve=True, throw_on_missing=True)
    assert loader["train"]["mapper"]["image_format"] == "BGR"
    assert loader["evaluator"]["output_dir"] == "./output/inference"
    assert instantiate(cfg.dataloader.test.mapper).image_format == "BGR"


def test_the_loader_has_the_seed_of_training_unless_it_has_its_own(tmp_path):
    quick = "quick/retinanet_tiny_synthetic.py"
    assert get_config(quick).dataloader.train.seed == 0
    assert get_config(quick, ["train.seed=3"]).dataloader.train.seed == 3
    cfg = get_config(quick, ["dataloader.train.seed=5", "train.seed=3"])
    assert cfg.dataloader.train.seed == 5
    text = DATA.format(SOURCES[0]) + OWN + "dataloader.train.seed = 7\n"
    assert load_config(own_config(tmp_path, text), ["train.seed=3"]).dataloader.train.seed == 7


def test_the_settings_of_synthetic_data_can_be_changed_where_they_are_used():
    quick = "quick/retinanet_tiny_synthetic.py"
    for key in ("synthetic.noise", "dataloader.train.dataset.names.settings.noise"):
        cfg = get_config(quick, [f"{key}=3"])
        assert cfg.dataloader.train.dataset.names.settings.noise == 3
        assert cfg.dataloader.test.dataset.names.settings.noise == 3


def test_a_loader_that_takes_no_seed_gets_none(tmp_path):
    text = "from detectron2.model_zoo import get_config\n" + OWN
    text += "dataloader = get_config('common/data/coco.py').dataloader\n"
    cfg = load_config(own_config(tmp_path, text))
    assert "seed" not in cfg.dataloader.train


def test_detectron2s_benchmark_of_data_takes_our_loader(tmp_path, monkeypatch):
    """As `create_data_benchmark` of Detectron2's tools/benchmark.py."""
    monkeypatch.setenv("RETINA_PLUGIN_CACHE", str(tmp_path))
    quick = own_config(tmp_path, DATA.format("common/data/small.py") + OWN)
    loader = LazyConfig.load(str(quick)).dataloader.train
    loader.dataset = [{"file_name": "a.png", "width": 3, "height": 2}]
    loader._target_ = DataLoaderBenchmark
    benchmark = instantiate(loader)
    assert isinstance(benchmark.sampler, TrainingSampler) and benchmark.total_batch_size == 8
