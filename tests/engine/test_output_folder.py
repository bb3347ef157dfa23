"""What lies in a run folder when a training begins there again."""

import shutil

import pytest
from conftest import train_args

from retina_plugin.config import ConfigError
from retina_plugin.engine import main
from retina_plugin.engine.output_folder import prepare_folder
from retina_plugin.engine.reliability.verify import first_difference

MADE_OF_IT = ("drawn/more/a.png", "errors/errors.html", "report.html", "whatever/x.json", "wandb/run-1/config.yaml")


@pytest.fixture
def run(tmp_path):
    """A run folder in which tools have written."""
    for name in ("config.yaml", "metrics.json", *MADE_OF_IT):
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path / "run"


def test_what_tools_wrote_into_a_run_is_moved_aside_with_it(run, tiny_cfg):
    prepare_folder(tiny_cfg(), resume=False)
    assert all((run.parent / "run.1" / name).is_file() for name in MADE_OF_IT)
    assert sorted(p.name for p in run.iterdir()) == ["config.yaml", "inference"]


@pytest.mark.parametrize("name", ["model_final.pth", "model_best.pth", "model_0000001.pth"])
def test_checkpoints_alone_are_moved_aside(tmp_path, tiny_cfg, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_bytes(b"precious")
    prepare_folder(tiny_cfg(), resume=False)
    assert (tmp_path / "run.1" / name).read_bytes() == b"precious" and not (tmp_path / "run" / name).exists()


@pytest.mark.parametrize("file", ["metrics.json", "last_checkpoint"])
def test_another_run_inside_is_not_moved(run, tiny_cfg, file):
    (run / "variant" / "seed0").mkdir(parents=True)
    (run / "variant" / "seed0" / file).write_text("")
    with pytest.raises(ConfigError, match=r"cannot be moved aside, because .*run/variant/seed0 is another run"):
        prepare_folder(tiny_cfg(), resume=False)
    assert all((run / name).is_file() for name in MADE_OF_IT)


def test_what_the_training_reads_is_not_moved(run, tiny_cfg):
    images = run / "whatever"
    with pytest.raises(ConfigError, match=r"train.hooks.0.images=.*/run/whatever lies inside it"):
        prepare_folder(tiny_cfg(f"train.hooks=[{{images: {images}}}]"), resume=False)
    prepare_folder(tiny_cfg(f"train.init_checkpoint={run}/model_best.pth"), resume=False)  # is loaded before


def test_the_folder_of_the_shell_is_not_moved(run, tiny_cfg, monkeypatch):
    cfg = tiny_cfg()
    monkeypatch.chdir(run / "drawn")
    with pytest.raises(ConfigError, match="started inside it"):
        prepare_folder(cfg, resume=False)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.accumulation=3", "train.accumulation=3 does not divide the 2 images of a process"),
        ("train.seed=null", "train.seed must be a whole number from 0 to 4294967295, got None"),
        ("train.seed=-1", "train.seed must be a whole number from 0 to 4294967295, got -1"),
        ("dataloader.train.seed=-1", "dataloader.train.seed must be 0 or more, got -1"),
        ("dataloader.train.num_workers=-1", "dataloader.train.num_workers must be 0 or more, got -1"),
        ("train.output_dir=null", "train.output_dir='' is empty or contains control characters: name a folder"),
        ("train.device=null", "train.device=None is not available: .* This machine has"),
        ("train.max_iter=null", "train.max_iter must be a whole number of 1 or more, got None"),
        ("train.eval_period=null", "train.eval_period must be a whole number of 0 or more, got None"),
        ("train.vis_period=-1", "train.vis_period must be a whole number of 0 or more, got -1"),
        ("train.clip_grad_norm=-1.0", "train.clip_grad_norm must be a number above 0, or null, got -1.0"),
        ("train.clip_grad_norm=0.0", "train.clip_grad_norm must be a number above 0, or null, got 0.0"),
        ("train.ema_decay=1.0", "train.ema_decay must be a number between 0 and 1, or null, got 1.0"),
        ("train.ema_decay=slow", "train.ema_decay must be a number between 0 and 1, or null, got slow"),
        ("train.max_minutes=5min", "train.max_minutes must be a number of 0 or more, or null, got 5min"),
        ("train.checkpointer.max_to_keep=0", "train.checkpointer.max_to_keep must be a whole number of 1 or more, or"),
    ],
)
def test_a_setting_that_cannot_train_moves_no_run(run, override, message):
    with pytest.raises(ConfigError, match=message):
        main(train_args(run, override))
    assert sorted(p.name for p in run.parent.iterdir()) == ["run"] and (run / MADE_OF_IT[0]).is_file()


def test_an_evaluation_that_fails_names_the_reason_and_leaves_no_folder(trained_run, tmp_path):
    weights = f"train.init_checkpoint={trained_run}/model_final.pth"
    for wrong, message in (
        ("train.seed=-1", "train.seed must be"),
        ("dataloader.test.num_workers=-1", "num_workers"),
        ("+dataloader.evaluator.max_dets_per_image=[100]", "max_dets_per_image must be a number or three"),
    ):
        with pytest.raises(ValueError, match=message):
            main(train_args(tmp_path / "new" / "run", weights, wrong, eval_only=True))
    assert not list(tmp_path.iterdir())


def test_a_run_with_such_folders_is_evaluated_and_resumed(trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (run / "drawn").mkdir()
    (run / "drawn" / "detections.json").write_text("[]")
    main(train_args(run, eval_only=True))
    main(train_args(run, resume=True))
    assert first_difference(trained_run, run) == "" and (run / "drawn" / "detections.json").is_file()
