"""`train.imbalance_period`: what is recorded, and that training does not notice."""

import json
import shutil

import pytest
import torch
from conftest import train_args
from detectron2.engine import launch

from retina_plugin.config import ConfigError
from retina_plugin.engine import main
from retina_plugin.engine.hooks.imbalance import ImbalanceRecorder, _class_names
from retina_plugin.engine.reliability.verify import first_difference
from retina_plugin.modeling.losses import SigmoidFocalLoss
from retina_plugin.run_folder import last_evaluation, read_imbalance, read_metrics

LEVELS = ["p3", "p4", "p5", "p6", "p7"]
# everything that changes how a step goes: micro-batches, mixed precision, an average of the weights
STEPS = ["train.accumulation=2", "train.amp.enabled=true", "train.amp.dtype=bfloat16", "train.ema_decay=0.9"]
STEPS += ["synthetic.image_size=128"]
STEPS += ["train.val_loss=true", "train.eval_period=2", "train.max_iter=4", "train.checkpointer.max_to_keep=null"]
ON = "train.imbalance_period=2"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, cache):
    """A run without and one with records."""
    folder = tmp_path_factory.mktemp("imbalance")
    main(train_args(folder / "without", *STEPS))
    main(train_args(folder / "with", *STEPS, ON))
    return folder


def total(record, column):
    return sum(row[column] for table in ("background", "foreground") for row in record[table].values())


def test_training_is_the_same_bit_for_bit(runs):
    paths = [runs / name / "model_final.pth" for name in ("without", "with")]
    without, recorded = (torch.load(path, weights_only=True) for path in paths)
    for part in ("model", "ema"):
        assert str(without[part]) == str(recorded[part])
    for name, value in without["model"].items():
        assert torch.equal(value, recorded["model"][name])
    lines = [
        [{k: m[k] for k in ("total_loss", "grad_norm", "loss_cls")} for m in read_metrics(run) if "total_loss" in m]
        for run in (runs / "without", runs / "with")
    ]
    assert lines[0] == lines[1] and len(lines[0]) == 4


def test_sums_are_the_loss_of_the_update_in_the_first_and_every_nth_iteration(runs):
    records = read_imbalance(runs / "with")
    assert [record["iteration"] for record in records] == [0, 1, 3]
    # log_period 1: the first line is smoothed over one value, later ones are medians
    first = next(m for m in read_metrics(runs / "with") if m["iteration"] == 0)
    assert total(records[0], 0) == pytest.approx(first["loss_cls"], rel=1e-6)
    assert sum(row[2] for row in records[0]["foreground"].values()) == 2 * first["num_pos_anchors"]


def test_metrics_have_the_shares_as_they_were_observed(runs):
    record = read_imbalance(runs / "with")[-1]
    line = next(m for m in read_metrics(runs / "with") if m["iteration"] == 3)
    background = sum(row[0] for row in record["background"].values()) / total(record, 0)
    assert line["imbalance.cls.background"] == pytest.approx(background, abs=1e-9)
    for quantity in ("cls", "gradient"):
        levels = [line[f"imbalance.{quantity}.level.{name}"] for name in LEVELS]
        classes = [line[f"imbalance.{quantity}.class.{name}"] for name in ("circle", "square", "triangle")]
        sizes = [line[f"imbalance.{quantity}.size.{name}"] for name in ("small", "medium", "large")]
        assert [sum(x) for x in (levels, classes, sizes)] == pytest.approx([1, 1, 1], abs=1e-9)
    assert "imbalance.cls.background" not in next(m for m in read_metrics(runs / "with") if m["iteration"] == 2)
    assert not any("imbalance" in k for m in read_metrics(runs / "without") for k in m)
    assert not (runs / "without" / "imbalance.jsonl").exists()


def test_readers_of_metrics_still_find_evaluations_and_logs_stay_short(runs):
    assert last_evaluation(runs / "with") == last_evaluation(runs / "without")
    steps = [line for line in (runs / "with" / "log.txt").read_text().splitlines() if " iter: " in line]
    assert len(steps) == 4 and not any("imbalance" in line for line in steps)


def test_a_resumed_run_records_the_same(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "with", run)
    (run / "model_final.pth").unlink()
    (run / "last_checkpoint").write_text("model_0000001.pth")
    with (run / "imbalance.jsonl").open("a") as file:
        file.write('{"iteration": 7, "backgr')  # a line that was being written
    main(train_args(run, *STEPS, ON, resume=True))
    assert first_difference(runs / "with", run) == ""
    assert (run / "imbalance.jsonl").read_bytes() == (runs / "with" / "imbalance.jsonl").read_bytes()


def test_a_run_may_begin_to_record_when_it_is_resumed(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "without", run)
    (run / "model_final.pth").unlink()
    (run / "last_checkpoint").write_text("model_0000001.pth")
    main(train_args(run, *STEPS, "train.imbalance_period=3", resume=True))
    assert [record["iteration"] for record in read_imbalance(run)] == [2]


class OnlySum(SigmoidFocalLoss):
    """A loss of which nobody knows where it comes from."""

    def forward(self, logits, labels):
        return 0.01 * logits[labels >= 0].sigmoid().sum()


def test_a_loss_without_a_formula_trains_and_the_log_says_why_nothing_is_recorded(tmp_path, caplog):
    main(train_args(tmp_path / "run", f"model.cls_loss={{_target_: {__name__}.OnlySum}}", "train.imbalance_period=1"))
    told = [r.getMessage() for r in caplog.records if "imbalance_period" in r.getMessage()]
    assert len(told) == 1 and "OnlySum must define elementwise" in told[0]
    assert read_imbalance(tmp_path / "run") == [] and (tmp_path / "run" / "model_final.pth").is_file()


@pytest.mark.parametrize("name", ["ghm", "ohem_1_3"])
def test_losses_that_couple_anchors_are_recorded(name, tmp_path):
    main(train_args(tmp_path / "run", f"model.cls_loss=${{losses.{name}}}", ON, "train.max_iter=2"))
    first = next(m for m in read_metrics(tmp_path / "run") if m["iteration"] == 0)
    assert total(read_imbalance(tmp_path / "run")[0], 0) == pytest.approx(first["loss_cls"], rel=1e-6)


def test_a_skipped_update_is_not_recorded(tmp_path, monkeypatch):
    from retina_plugin.engine.reliability.guard import NonFiniteGuard
    from retina_plugin.engine.trainer import Trainer

    finite = Trainer._is_finite
    monkeypatch.setattr(Trainer, "_is_finite", lambda self, *x: self.iter != 1 and finite(self, *x))
    monkeypatch.setattr(NonFiniteGuard, "refuse", lambda self, trainer, batch, losses: trainer.inner(batch))
    main(train_args(tmp_path / "run", "train.imbalance_period=1", "train.max_iter=3"))
    assert [record["iteration"] for record in read_imbalance(tmp_path / "run")] == [0, 2]


def train_in_processes(folder, processes):
    torch.set_num_threads(1)
    opts = ["train.max_iter=2", "model.backbone.bottom_up.norm=FrozenBN", "dataloader.train.total_batch_size=4"]
    main(train_args(folder / str(processes), *opts, ON))


def test_several_processes_record_their_common_batch(tmp_path, forked_ranks):
    for processes in (1, 2):
        launch(train_in_processes, processes, dist_url="auto", args=(tmp_path, processes))
    one, two = (read_imbalance(tmp_path / name) for name in ("1", "2"))
    assert len(one) == len(two) == 2
    for ours, theirs in zip(one, two, strict=True):
        for table in ("background", "foreground", "sizes", "classes"):
            for name, row in ours[table].items():
                assert row == pytest.approx(theirs[table][name], rel=1e-4)
        assert sum(ours["p_t"]["background"]) == sum(theirs["p_t"]["background"])


def test_other_detectors_and_negative_periods_are_refused(tmp_path, tiny_cfg):
    with pytest.raises(ConfigError, match="imbalance_period needs a PluggableRetinaNet, got Identity"):
        ImbalanceRecorder(tiny_cfg(ON), torch.nn.Identity())
    with pytest.raises(ConfigError, match="imbalance_period must be a whole number of 0 or more, got -1"):
        main(train_args(tmp_path / "run", "train.imbalance_period=-1"))


def test_damaged_lines_are_left_out(tmp_path, caplog):
    table = {"p3": [1.0, 2.0, 3]}
    good = {"iteration": 4, "background": table, "foreground": table, "sizes": {}, "classes": {}}
    good["p_t"] = {"background": [0] * 40, "foreground": [1] * 40}
    bad = [{}, {"iteration": 1}, good | {"foreground": {}}, good | {"sizes": {"small": [1, 2]}}, good | {"p_t": {}}]
    bad += [good | {"background": {"p3": [1, float("nan"), 3]}}, good | {"classes": [1]}, [1]]
    (tmp_path / "imbalance.jsonl").write_text("".join(json.dumps(x) + "\n" for x in [good, *bad, good]))
    assert read_imbalance(tmp_path) == [good, good]
    assert f"{len(bad)} damaged lines" in caplog.text


def test_classes_without_names_of_their_own_have_numbers():
    assert _class_names(["bus", "car"], 2) == ["bus", "car"]
    assert _class_names(["bus", "bus"], 2) == _class_names([], 2) == ["0", "1"]
