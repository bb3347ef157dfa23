"""The error budget of a finished run, beside its copy without a checkpoint."""

import json
import shutil

import pytest
from omegaconf import OmegaConf

from retina_plugin.analysis.errors import gallery
from retina_plugin.commands.analysis.analyze_errors import analyze_errors
from retina_plugin.config import ConfigError
from retina_plugin.data import DataError
from retina_plugin.engine.output_folder import prepare_folder
from retina_plugin.run_folder import CONFIG, DETECTIONS, METRICS


@pytest.fixture(scope="module")
def run(trained_run, tmp_path_factory):
    """A run with pages about it and its copy in its folder `errors`."""
    folder = tmp_path_factory.mktemp("errors")
    run = shutil.copytree(trained_run, folder / "run")
    other = shutil.copytree(trained_run, folder / "other")
    for path in (*other.glob("*.pth"), other / "last_checkpoint"):
        path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "NUM_PICTURES", 1)
        (folder / "printed").write_text(analyze_errors([run], trust=["*"], other=[other]))
    return run


@pytest.fixture(scope="module")
def content(run):
    return json.loads((run / "errors/errors.json").read_text())


def test_ap_is_what_the_run_reports(run, content):
    reported = json.loads((run / METRICS).read_text().splitlines()[-1])
    assert [own["run"] for own in content["runs"]] == ["run", "other"]
    for own in content["runs"]:
        assert own["AP"] == pytest.approx(reported["bbox/AP"])
        assert own["AP_at_iou"]["value"] == pytest.approx(reported["bbox/AP50"])
        by_class = {f"bbox/AP-{row['class']}": row["AP"] for row in own["classes"] if row["AP"] is not None}
        assert len(by_class) >= 2 and by_class == pytest.approx({key: reported[key] for key in by_class})


def test_every_missed_object_and_false_detection_has_its_anchors(content):
    own = content["runs"][0]
    anchors = own["anchors"]
    assert anchors["num_images"] == own["images"] == 4
    rows = own["outcomes"]["class"]
    assert sum(anchors["causes"].values()) == own["objects"] - sum(row["outcomes"]["found"] for row in rows) > 0
    false = {kind: sum(row["false"][kind] for row in rows) for kind in anchors["labels"]}
    assert {kind: sum(labels.values()) for kind, labels in anchors["labels"].items()} == false
    assert sum(false.values()) > 0 == sum(labels["unknown"] for labels in anchors["labels"].values())


def test_a_copy_does_not_differ_and_lacks_only_anchors(run, content):
    assert {c["value"] for c in content["differences"].values()} == {0}
    assert content["runs"][1]["anchors"] is None
    page, printed = (run / "errors/errors.html").read_text(), (run.parent / "printed").read_text()
    for text in (page, printed):
        assert "holds no checkpoint" in text
    assert "Bkg: no object there" in printed and str(run / "errors/errors.html") in printed
    assert page.count("data:image/svg") == 10 and page.count("data:image/jpeg") >= 4


def test_seeds_of_a_variant_give_one_interval_and_other_runs_are_refused(run, tmp_path):
    """Two equal seeds have no spread, so that the mean is the value of one; a run with another config is refused."""
    seed = shutil.copytree(run, tmp_path / "seed1")
    _change(seed / CONFIG, "prior_prob: 0.01", "prior_prob: 0.0101")  # as a stationary prior differs between seeds
    cfg = OmegaConf.load(seed / CONFIG)
    cfg.dataloader.train.resample_seed = 1  # as in a study with resample_train
    cfg.train.log_period += 1  # changes no result
    OmegaConf.save(cfg, seed / CONFIG)
    text = analyze_errors([run, seed], tmp_path / "out", trust=["*"], max_images=1)
    (own,) = json.loads((tmp_path / "out/errors.json").read_text())["runs"]
    one = json.loads((run / "errors/errors.json").read_text())["runs"][0]
    assert own["seeds"] == ["run", "seed1"] and own["label"] == "run and 1 more" and "run and 1 more" in text
    assert own["AP"] == pytest.approx(one["AP"]) and own["delta_ap"]["Bkg"]["count"] == one["delta_ap"]["Bkg"]["count"]
    assert own["delta_ap"]["Bkg"]["value"] == pytest.approx(one["delta_ap"]["Bkg"]["value"])
    page = (tmp_path / "out/errors.html").read_text()
    assert "means over seeds (run, seed1)" in page and "over 2 seeds and 1000 resamples" in page
    cfg.train.init_classes = ["a"]  # which weights of a checkpoint the classes take
    OmegaConf.save(cfg, seed / CONFIG)
    with pytest.raises(ConfigError, match="they differ in train.init_classes; give"):
        analyze_errors([run, seed], tmp_path / "out", trust=["*"], max_images=1)
    _change(seed / CONFIG, "max_iter: ", "max_iter: 1")
    _change(seed / CONFIG, "prior_prob: 0.0101", "prior_prob: 0.02")
    with pytest.raises(
        ConfigError, match=r"in model.head.prior_prob, train.init_classes, train.max_iter; give .* --other"
    ):
        analyze_errors([run, seed], tmp_path / "out", trust=["*"], max_images=1)


def _change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_new_run_may_take_the_place_of_one_with_pages(run, tmp_path, tiny_cfg):
    copied = shutil.copytree(run, tmp_path / "run")
    prepare_folder(tiny_cfg(f"train.output_dir={copied}"), resume=False)
    assert not (copied / "errors").exists() and (tmp_path / "run.1/errors/errors.html").is_file()


def test_what_cannot_be_analyzed_is_named(trained_run, tmp_path):
    with pytest.raises(ConfigError, match="as many runs as --run, which are compared pair by pair: 1 and 2"):
        analyze_errors([trained_run] * 2, other=[trained_run])
    with pytest.raises(ConfigError, match="--iou=0.05 must lie between"):
        analyze_errors([trained_run], iou=0.05)
    with pytest.raises(ConfigError, match="--score-thresh=2 must lie between"):
        analyze_errors([trained_run], score_thresh=2)
    run = shutil.copytree(trained_run, tmp_path / "run")
    (run / DETECTIONS).write_text('[{"image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]')
    with pytest.raises(DataError, match="cannot be compared with the test data of the run: .* image 99"):
        analyze_errors([run], trust=["*"])
    (run / DETECTIONS).unlink()
    with pytest.raises(DataError, match="is missing: evaluate the run first, with retina train .* --eval-only"):
        analyze_errors([run], trust=["*"])
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot write into the folder .*file/out"):
        analyze_errors([tmp_path / "nowhere"], tmp_path / "file" / "out")
