import damages  # noqa: F401
import damages_of_images  # noqa: F401
import pytest
from damaged_data import DAMAGES, Data, write_clean
from detectron2.config import LazyCall
from detectron2.data import transforms
from omegaconf import OmegaConf

from retina_plugin.analysis.doctor import examine as examining
from retina_plugin.analysis.doctor.examine import examine


@pytest.fixture(scope="module", autouse=True)
def only_data():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examining, "PARTS", ("data",))
        yield


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return write_clean(tmp_path_factory.mktemp("clean") / "data")


def config(tiny_cfg, names, *opts):
    cfg = tiny_cfg("model.num_classes=2", *opts)
    cfg.dataloader.train.dataset.names, cfg.dataloader.test.dataset.names = names
    return cfg


def codes(cfg, **flags):
    return {finding.code for finding in examine(cfg, **flags)}


@pytest.mark.parametrize("name", DAMAGES)
def test_every_fault_is_found(name, clean, tmp_path, tiny_cfg):
    change, code = DAMAGES[name]
    data = Data(clean, tmp_path / "data")
    change(data)
    names = data.register()
    cfg = config(tiny_cfg, names, *(o for o in data.opts if "=" in o))
    if "missing" in data.opts:
        (data.folder / "train.json").unlink()
    if "shrink" in data.opts:
        resize = LazyCall(transforms.ResizeShortestEdge)(short_edge_length=[8, 16], max_size=999)
        cfg.dataloader.train.mapper.augmentations = OmegaConf.create([resize], flags={"allow_objects": True})
    found = codes(cfg)
    assert code in found and "check-failed" not in found, found


@pytest.mark.parametrize(
    "look",
    [
        {},
        {"seed": 1, "first_id": 0, "low": 3, "high": 9},
        {"seed": 2, "low": 40, "high": 62},
        {"seed": 3, "low": 56, "high": 64, "objects": 2, "number": 12},
    ],
    ids=["usual", "small, ids from 0", "large", "nearly whole images"],
)
def test_clean_data_have_no_findings(look, tmp_path, tiny_cfg):
    data = Data(write_clean(tmp_path / "clean", **look), tmp_path / "data")
    found = examine(config(tiny_cfg, data.register()))
    assert not found, "\n".join(map(str, found))
