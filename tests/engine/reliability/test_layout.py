"""An update does not depend on how its batch is split over processes and micro-batches."""

import itertools

import pytest
import torch
from conftest import QUICK, TINY
from detectron2.config import instantiate
from detectron2.engine import launch
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from retina_plugin.config import ConfigError, get_config
from retina_plugin.engine.layout import micro_batches
from retina_plugin.engine.reliability.guard import NonFiniteGuard
from retina_plugin.engine.run import create_model_for_processes
from retina_plugin.engine.setup import build_model
from retina_plugin.engine.trainer import Trainer, Update

# images of several sizes, so that padding matters; a norm without a batch in it, so that a batch can be split
MORE = [
    "model.backbone.bottom_up.norm=FrozenBN",
    "synthetic.image_size=96",
    "dataloader.train.total_batch_size=8",
    "dataloader.train.mapper.augmentations=[{_target_: detectron2.data.transforms.ResizeShortestEdge, "
    "short_edge_length: [64, 80, 96, 128], sample_style: choice}]",
]
STEPS = 3
# float32 sums in another order: 1.6e-6 to 4.2e-6 of a tensor's largest value were measured after three steps
TOLERANCE = 1e-5


def train(path, accumulation=1, *opts):
    """Train three steps from the same start; the main process saves weights and losses."""
    torch.set_num_threads(1)
    cfg = get_config(QUICK, [*TINY, *MORE, *opts])
    model = build_model(cfg, pretrained=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = instantiate(cfg.dataloader.train)
    trainer = Trainer(
        create_model_for_processes(model, "cpu", cfg.train.ddp),
        loader,
        optimizer,
        Update(accumulation=accumulation, clip_grad_norm=1.0),
        NonFiniteGuard("stop", path),
    )
    losses = []
    with EventStorage() as trainer.storage:
        for trainer.iter in range(STEPS):
            trainer.storage.iter = trainer.iter
            trainer.run_step()
            if comm.is_main_process():
                latest = trainer.storage.latest()
                losses.append({k: latest[k][0] for k in ("loss_cls", "loss_box_reg", "grad_norm")})
                losses[-1]["num_pos_anchors"] = latest["num_pos_anchors"][0]
    if comm.is_main_process():
        path.mkdir(parents=True, exist_ok=True)
        torch.save({"model": model.state_dict(), "losses": losses}, path / "left.pth")


def left(path):
    return torch.load(path / "left.pth", weights_only=True)


def difference(one, other):
    """Largest difference of weights, relative to the largest value of their tensor."""
    pairs = [(a.double(), other["model"][k].double()) for k, a in one["model"].items()]
    return max(((a - b).abs().max() / a.abs().max().clamp(min=1e-6)).item() for a, b in pairs)


def train_all(folder, processes):
    """Run every split for one number of processes at once: starting processes takes longer than three steps."""
    for accumulation in (1, 2, 4, 8)[: 4 if processes == 1 else 3]:
        train(folder / f"{processes}x{accumulation}", accumulation)
    for loss in ("softmax_ce", "sigmoid_ce"):
        train(folder / f"{processes}x1_{loss}", 1, f"model.cls_loss=${{losses.{loss}}}")
    train(folder / f"{processes}x2_softmax_ce", 2, "model.cls_loss=${losses.softmax_ce}")


@pytest.fixture(scope="module")
def splits(tmp_path_factory, cache, forked_ranks):
    folder = tmp_path_factory.mktemp("splits")
    for processes in (1, 2):
        launch(train_all, processes, dist_url="auto", args=(folder, processes))
    return folder


SPLITS = [("1x1", s) for s in ("1x2", "1x4", "1x8", "2x1", "2x2", "2x4")]
SPLITS += [("1x1_softmax_ce", s) for s in ("1x2_softmax_ce", "2x1_softmax_ce", "2x2_softmax_ce")]
SPLITS += [("1x1_sigmoid_ce", "2x1_sigmoid_ce")]


@pytest.mark.parametrize(("whole", "split"), SPLITS)
def test_a_split_batch_gives_the_same_update(whole, split, splits):
    whole, split = left(splits / whole), left(splits / split)
    assert difference(whole, split) < TOLERANCE
    for ours, theirs in zip(split["losses"], whole["losses"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


def test_without_the_common_padding_updates_would_differ(splits, tmp_path, monkeypatch):
    monkeypatch.setattr("retina_plugin.engine.trainer.share_padded_size", lambda batch: None)
    train(tmp_path, 4)
    assert difference(left(splits / "1x1"), left(tmp_path)) > 10 * TOLERANCE


def test_parts_of_unequal_size_are_refused():
    batch = [{"image": i} for i in range(6)]
    assert list(itertools.chain(*micro_batches(batch, 3))) == batch
    with pytest.raises(ConfigError, match="accumulation=4 does not divide the 6 images"):
        micro_batches(batch, 4)


class MeanPixel(torch.nn.Module):
    """A model of another package, whose loss is linear in its weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, batch):
        return {"loss": self.weight * torch.stack([x["image"].mean() for x in batch]).mean()}


@pytest.mark.parametrize("accumulation", [1, 2, 4])
def test_a_model_without_a_foreground_average_trains(accumulation, tmp_path):
    batch = [{"image": torch.full((3, 4, 4), float(i))} for i in range(4)]
    model = MeanPixel()
    trainer = Trainer(
        model,
        [batch],
        torch.optim.SGD(model.parameters(), lr=1.0),
        Update(accumulation=accumulation),
        NonFiniteGuard("stop", tmp_path),
    )
    trainer.iter = 0
    with EventStorage() as trainer.storage:
        trainer.run_step()
    assert model.weight.item() == -1.5
