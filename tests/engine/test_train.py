"""Training as its users run it, on a detector that trains in seconds."""

import contextlib
import functools
import time

import pytest
import torch
from conftest import QUICK, TINY, real_data, train_args
from detectron2.config import LazyCall as L
from detectron2.config import instantiate
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils import comm
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from retina_plugin.config import ConfigError, get_config, load_config
from retina_plugin.engine import main, train
from retina_plugin.engine.launching import launch_training
from retina_plugin.run_folder import find_weights, last_evaluation, read_metrics
from retina_plugin.weights import CheckpointError, SafeCheckpointer


def weights(run, name="model_final.pth"):
    return torch.load(run / name, weights_only=True)["model"]


def test_a_run_folder_has_everything(trained_run):
    names = {p.name for p in trained_run.iterdir()}
    wanted = "config.yaml metrics.json log.txt model_final.pth last_checkpoint inference".split()
    assert set(wanted) <= names
    metrics = read_metrics(trained_run)
    assert [m["iteration"] for m in metrics if "loss_cls" in m] == [0, 1, 2, 3]
    assert "bbox/AP" in last_evaluation(trained_run)
    assert "eta" in (trained_run / "log.txt").read_text()
    assert (trained_run / "last_checkpoint").read_text() == "model_final.pth"
    cfg = load_config(trained_run / "config.yaml")
    assert cfg.metadata.thing_classes == ["circle", "square", "triangle"]
    assert "loss_normalizer" in weights(trained_run)


def test_tensorboard_has_pictures_of_truth_and_detections(trained_run):
    events = EventAccumulator(str(trained_run), size_guidance={"images": 0})
    events.Reload()
    (image,) = events.Images("detections/0")
    assert image.step == 3 and image.width > 900  # two drawings of at least 480 pixels


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path, trained_run):
    main(train_args(tmp_path / "again"))
    main(train_args(tmp_path / "other", "train.seed=1"))
    one, again, other = (weights(r) for r in (trained_run, tmp_path / "again", tmp_path / "other"))
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


def test_variants_see_the_same_images(tmp_path, trained_run):
    """num_pos_anchors depends on images and augmentation alone."""
    main(train_args(tmp_path / "ce", "model.cls_loss=${losses.softmax_ce}"))
    seen = [[m["num_pos_anchors"] for m in read_metrics(r)[:4]] for r in (trained_run, tmp_path / "ce")]
    assert seen[0] == seen[1] and len(set(seen[0])) > 1


def test_eval_only_gives_the_metrics_of_the_run(trained_run, tmp_path):
    opts = [f"train.init_checkpoint={trained_run}/model_final.pth"]
    results = main(train_args(tmp_path / "eval", *opts, eval_only=True))
    expected = last_evaluation(trained_run)["bbox/AP50"]
    assert results["bbox"]["AP50"] == pytest.approx(expected, nan_ok=True)
    by_run = main(train_args(trained_run, eval_only=True))
    assert by_run["bbox"]["AP50"] == pytest.approx(expected, nan_ok=True)


def evaluate_and_save(args, path):
    results = main(args)
    if comm.is_main_process():
        path.write_text(repr(results["bbox"]["AP50"]))


def test_eval_only_in_two_processes_gives_the_same_metrics(trained_run, tmp_path, forked_ranks):
    opts = [f"train.init_checkpoint={trained_run}/model_final.pth"]
    args = train_args(tmp_path / "eval", *opts, eval_only=True)
    vars(args).update(num_gpus=2, num_machines=1, machine_rank=0, dist_url="auto")
    launch_training(functools.partial(evaluate_and_save, path=tmp_path / "AP50"), args)
    assert (tmp_path / "AP50").read_text() == repr(main(args)["bbox"]["AP50"])


def test_every_process_evaluates_the_model_that_the_main_process_saves(tmp_path, monkeypatch, forked_ranks):
    """Statistics of BatchNorm differ between processes, and checkpoints hold those of the main process."""

    def save_mean(model, *_):
        (tmp_path / str(comm.get_rank())).write_text(str(model.running_mean.tolist()))
        return {}

    monkeypatch.setattr(train, "inference_on_dataset", save_mean)
    args = train_args(tmp_path / "run", num_gpus=2, num_machines=1, machine_rank=0, dist_url="auto")
    launch_training(evaluate_other_means, args)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["[0.0, 0.0]"] * 2


@pytest.mark.parametrize("is_allowed", [False, True])
def test_weights_without_gradients_are_named_in_several_processes(tmp_path, forked_ranks, is_allowed):
    opts = ["model.head_in_features=[p3,p4,p5]", f"train.ddp.find_unused_parameters={is_allowed}", "train.max_iter=2"]
    args = train_args(tmp_path / "run", *opts, num_gpus=2, num_machines=1, machine_rank=0, dist_url="auto")
    message = r"no loss depends on backbone.top_block.p6.weight, .*p7.bias, which .* train.freeze, or set train.ddp"
    with contextlib.nullcontext() if is_allowed else pytest.raises(Exception, match=message):
        launch_training(main, args)
    assert (tmp_path / "run" / "model_final.pth").is_file() == is_allowed


def test_an_evaluator_that_cannot_be_built_stops_before_the_first_iteration(tmp_path):
    with pytest.raises(ConfigError, match=r"dataloader.evaluator of the config .* 'abc' is not registered"):
        main(train_args(tmp_path / "run", "dataloader.evaluator.dataset_name=abc"))
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_data_without_a_json_train_again_in_the_same_folder(tmp_path, tiny_cfg):
    of_json = instantiate(tiny_cfg().dataloader.test.dataset.names)
    DatasetCatalog.register("without_json", lambda: DatasetCatalog.get(of_json))
    opts = ["dataloader.test.dataset.names=without_json", "train.max_iter=1"]
    try:
        for _ in range(2):
            MetadataCatalog.pop("without_json", None)  # as in a new process
            MetadataCatalog.get("without_json").thing_classes = ["circle", "square", "triangle"]
            main(train_args(tmp_path / "run", *opts))
            assert last_evaluation(tmp_path / "run")
    finally:
        DatasetCatalog.remove("without_json")
        MetadataCatalog.pop("without_json", None)


def test_null_freezes_nothing_and_adds_no_hook(tmp_path):
    main(train_args(tmp_path / "run", "train.freeze=null", "train.hooks=null", "train.max_iter=1"))
    assert (tmp_path / "run" / "model_final.pth").is_file()


def test_a_folder_moves_when_all_processes_have_read_the_weights_in_it(tmp_path, forked_ranks):
    run = tmp_path / "run"
    main(train_args(run, "train.max_iter=1"))
    opts = [f"train.init_checkpoint={run}/model_final.pth", "train.max_iter=1"]
    args = train_args(run, *opts, num_gpus=2, num_machines=1, machine_rank=0, dist_url="auto")
    launch_training(train_with_a_slow_disk, args)
    assert (tmp_path / "run.1" / "model_final.pth").is_file() and (run / "model_final.pth").is_file()


def train_with_a_slow_disk(args):
    load = SafeCheckpointer._load_file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SafeCheckpointer, "_load_file", lambda *a: (time.sleep(2 * comm.get_rank()), load(*a))[1])
        main(args)


def evaluate_other_means(args):
    model = torch.nn.BatchNorm1d(2)
    model.running_mean.fill_(comm.get_rank())
    train.do_test(get_config(QUICK, args.opts), model, [])


@pytest.mark.parametrize("batches", [[], [[]]])
def test_a_loader_without_images_is_named(tiny_cfg, batches):
    cfg = tiny_cfg()
    cfg.dataloader.train = L(lambda dataset: batches)(dataset=cfg.dataloader.train.dataset)
    with pytest.raises(ConfigError, match=r"dataloader\.train has no images for iteration 0"):
        train.do_train(cfg)


def test_a_resumed_run_knows_how_good_its_best_was(tmp_path):
    opts = ["train.eval_period=1", "train.best_checkpointer.val_metric=num_pos_anchors"]
    main(train_args(tmp_path / "run", *opts))
    folder = tmp_path / "run"
    state = torch.load(folder / "model_0000001.pth", weights_only=True)
    state["trainer"]["hooks"]["BestCheckpointer"]["best"] = 1e9  # nothing beats that
    torch.save(state, folder / "model_0000001.pth")
    (folder / "last_checkpoint").write_text("model_0000001.pth")
    (folder / "model_best.pth").write_bytes(b"the best")
    main(train_args(folder, *opts, resume=True))
    assert (folder / "model_best.pth").read_bytes() == b"the best"
    assert (folder / "last_checkpoint").read_text() == "model_final.pth"


def test_an_earlier_run_is_moved_aside_and_not_lost(tmp_path):
    main(train_args(tmp_path / "run", "train.max_iter=1"))
    before = (tmp_path / "run" / "model_final.pth").read_bytes()
    main(train_args(tmp_path / "run", "train.max_iter=2"))
    assert (tmp_path / "run.1" / "model_final.pth").read_bytes() == before
    assert len([m for m in read_metrics(tmp_path / "run") if "loss_cls" in m]) == 2


def test_what_an_evaluation_does_not_report_is_not_that_of_the_one_before(tmp_path, monkeypatch):
    found = [{"bbox": {"AP": 1.0}, "best_F1": {"F1": 40.0}}, {"bbox": {"AP": 0.0}}]
    monkeypatch.setattr(train, "do_test", lambda *args: found.pop(0))
    main(train_args(tmp_path / "run", "train.max_iter=2", "train.eval_period=1", "train.log_period=1"))
    assert ["best_F1/F1" in m for m in read_metrics(tmp_path / "run") if "bbox/AP" in m] == [True, False]


def test_gradients_are_clipped(tmp_path):
    main(train_args(tmp_path / "still", "train.clip_grad_norm=1e-30", "optimizer.weight_decay=0.0"))
    main(train_args(tmp_path / "start", "train.max_iter=1", "optimizer.lr=0.0"))
    still, start = weights(tmp_path / "still"), weights(tmp_path / "start")
    name = "head.cls_score.weight"
    assert torch.equal(still[name], start[name])


def test_fine_tuning_keeps_what_fits_and_says_what_does_not(tmp_path, trained_run):
    opts = [f"train.init_checkpoint={trained_run}/model_final.pth", "optimizer.lr=0.0"]
    opts += ["model.cls_loss=${losses.softmax_ce}", "train.max_iter=1"]
    main(train_args(tmp_path / "run", *opts))
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "head.cls_score.weight (27, 16, 3, 3) instead of (36, 16, 3, 3)" in log
    ours, theirs = weights(tmp_path / "run"), weights(trained_run)
    assert torch.equal(ours["head.bbox_pred.weight"], theirs["head.bbox_pred.weight"])


def damaged(path, tmp_path):
    copy = tmp_path / "damaged.pth"
    copy.write_bytes(path.read_bytes()[:5000])
    return copy


@pytest.mark.parametrize("eval_only", [True, False])
def test_checkpoints_that_are_absent_or_damaged_are_named(eval_only, tmp_path, trained_run):
    cut = damaged(trained_run / "model_final.pth", tmp_path)
    for path, message in ((cut, "damaged.pth cannot be read"), ("no.pth", "no.pth does not exist")):
        opts = [f"train.init_checkpoint={path}"]
        with pytest.raises(CheckpointError, match=message):
            main(train_args(tmp_path / "run", *opts, eval_only=eval_only))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_model_names_keys_and_shapes(tmp_path, trained_run):
    opts = [f"train.init_checkpoint={trained_run}/model_final.pth", "model.head.conv_dims=[16,16]"]
    with pytest.raises(CheckpointError, match=r"another model: .*head.cls_subnet.2.weight"):
        main(train_args(tmp_path / "run", *opts, eval_only=True))
    opts[1] = "model.backbone.out_channels=24"
    with pytest.raises(CheckpointError, match=r"fpn_lateral3.weight \(16, 16.*instead of \(24, 16"):
        main(train_args(tmp_path / "run", *opts, eval_only=True))


def test_nothing_to_resume_and_nothing_to_evaluate(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing to resume in .*Start without --resume"):
        main(train_args(tmp_path / "run", resume=True))
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        find_weights(tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.num_classes=5",
            r"num_classes=5, but synthetic_train.* has 3 categories: set model",
        ),
        ("train.device=cuda:7", r"train.device='cuda:7' is not available"),
        ("train.device=gpu", r"train.device='gpu' is not available"),
        ("train.amp={enabled: true, dtype: float16}", "float16 is not supported on cpu"),
        ("dataloader.test.dataset.names=bccd_vall", r"no data set is registered as 'bccd_vall'"),
    ],
)
def test_bad_settings_are_named_before_anything_is_written(override, message, tmp_path):
    if torch.cuda.is_available() and ("amp" in override or "cuda" in override):
        pytest.skip("there is CUDA")
    with pytest.raises(ValueError, match=message):
        main(train_args(tmp_path / "run", override))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        main(train_args(tmp_path / "file" / "run"))


def test_own_data_need_their_files(tmp_path):
    with pytest.raises(ConfigError, match=r"needs values for data.train_images=... data.train_json"):
        args = train_args(tmp_path)
        args.config_file, args.opts = "custom/retinanet_MNV2_FPN.py", []
        main(args)


def test_real_images_with_crowds_and_without_objects_train(tmp_path):
    folder = real_data("coco_mini")
    opts = [o for o in TINY if not o.startswith("synthetic") and "names" not in o]
    for split in ("train", "val"):
        opts += [f"data.{split}_json={folder}/instances_{split}.json"]
        opts += [f"data.{split}_images={folder}/images"]
    opts += [
        "data.short_edge=[64,64,64,96]",
        "data.max_size=128",
        f"train.output_dir={tmp_path}/run",
    ]
    args = train_args(tmp_path, config_file="custom/retinanet_MNV2_FPN.py")
    args.opts = opts
    results = main(args)
    cfg = load_config(tmp_path / "run" / "config.yaml")
    assert cfg.model.num_classes == 80 and cfg.metadata.thing_classes[0] == "person"
    assert cfg.metadata.category_ids[-1] == 90
    assert 0 <= results["bbox"]["AP"] <= 100
