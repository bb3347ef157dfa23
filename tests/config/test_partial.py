"""`functools.partial` in configs, as Detectron2's config of ViTDet has it."""

import functools
from pathlib import Path

import pytest
import torch
from conftest import QUICK, train_args
from detectron2.config import LazyConfig
from omegaconf import OmegaConf

from retina_plugin.config import ConfigError, load_config
from retina_plugin.config.walk import as_text
from retina_plugin.config.yaml_file import save_config
from retina_plugin.engine import main

OWN = f"""
import functools
from detectron2.modeling.backbone.vit import get_vit_lr_decay_rate
from retina_plugin import get_config
base = get_config({QUICK!r})
synthetic, losses, box_losses, dataloader = base.synthetic, base.losses, base.box_losses, base.dataloader
model, optimizer, lr_multiplier, train = base.model, base.optimizer, base.lr_multiplier, base.train
optimizer.params.lr_factor_func = functools.partial(get_vit_lr_decay_rate, num_layers=NUMBER)
"""


def test_a_training_with_one_resumes_and_knows_its_arguments(tmp_path):
    config = tmp_path / "own.py"
    config.write_text(OWN.replace("NUMBER", "2"))
    for max_iter in (2, 4):
        more = [f"train.max_iter={max_iter}", "train.accept_changes=True"]
        main(train_args(tmp_path / "run", *more, config_file=str(config), resume=max_iter == 4))
    config.write_text(OWN.replace("NUMBER", "3"))
    with pytest.raises(ConfigError, match="optimizer.params.lr_factor_func.num_layers was 2, now 3"):
        main(train_args(tmp_path / "run", config_file=str(config), resume=True))
    saved = load_config(tmp_path / "run" / "config.yaml")
    assert saved.optimizer.params.lr_factor_func.keywords == {"num_layers": 2}


@pytest.mark.parametrize("save", [save_config, lambda cfg, path: LazyConfig.save(cfg, str(path))])
def test_it_is_read_as_it_was_written(save, tmp_path):
    norm = functools.partial(torch.nn.GroupNorm, 8, eps=1e-6)
    save(OmegaConf.create({"x": {"norm": norm}}, flags={"allow_objects": True}), tmp_path / "config.yaml")
    for trust in (["*"], []):
        read = load_config(tmp_path / "config.yaml", trust=trust).x.norm
        assert (read.func, read.args, read.keywords) == (torch.nn.GroupNorm, (8,), {"eps": 1e-6})


@pytest.mark.parametrize(
    ("partial", "message"),
    [
        ("{args: [!!python/name:os.mkdir ''], kwds: {path: x}}", "os.mkdir.*not a part"),
        ("{args: [!!python/name:torch.nn.ReLU ''], kwds: {proposal_files: x}}", "file of proposals"),
        ("{args: [os.mkdir]}", "has os.mkdir in place of a function"),
        ("{}", "has None in place of a function"),
        ("[1]", "has no function"),
    ],
)
def test_one_of_another_shape_or_of_a_stranger_is_refused(partial, message, tmp_path):
    path = Path(tmp_path, "config.yaml")
    path.write_text(f"x: !!python/object/apply:functools.partial {partial}")
    with pytest.raises(ConfigError, match=message):
        load_config(path, trust=[])


def test_texts_of_objects_hold_no_addresses():
    assert as_text(torch.nn.Identity()) == "Identity()"
    assert "0x" not in as_text(object())
