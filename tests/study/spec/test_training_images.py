"""Each seed of a study may train on a bootstrap sample of its own."""

import pytest
from detectron2.config import instantiate
from studies import CE, tiny_study

from retina_plugin.commands.simulate_studies import add_to_bank
from retina_plugin.config import ConfigError
from retina_plugin.data import DataError
from retina_plugin.study import report_results, run_study


def images_of(study, variant, seed):
    cfg = study.run_config(next(v for v in study.variants if v.name == variant), seed)
    return instantiate(cfg.dataloader.train).fingerprint


def test_variants_share_the_sample_of_a_seed_and_seeds_differ(tmp_path):
    study = tiny_study(tmp_path / "study", {"focal": [], "ce": [CE]}, resample_train=True)
    assert images_of(study, "focal", 0) == images_of(study, "ce", 0) != images_of(study, "focal", 1)
    plain = tiny_study(tmp_path / "plain", {"focal": []})
    assert images_of(plain, "focal", 0) == images_of(plain, "focal", 1)


def test_the_report_says_it(tmp_path, capsys, unseen_figures):
    study = tiny_study(tmp_path / "study", {"focal": []}, max_iter=2, seeds=[3], resample_train=True)
    report_results(study, run_study(study), num_images=0)
    said = "each run on the bootstrap sample of the training images that belongs to its seed"
    assert said in capsys.readouterr().out and said in (study.output_dir / "report.html").read_text()
    assert "resample_seed: 3" in (study.run_dir("focal", 3) / "config.yaml").read_text()


def test_a_variant_may_have_all_images(tmp_path, unseen_figures):
    variants = {"sample": [], "all": ["dataloader.train.resample_seed=null"]}
    study = tiny_study(tmp_path / "study", variants, max_iter=2, resample_train=True)
    assert images_of(study, "all", 0) == images_of(study, "all", 1) != images_of(study, "sample", 0)
    report_results(study, run_study(study), num_images=0)
    assert "1 of 2 runs on the bootstrap sample" in (study.output_dir / "report.md").read_text()
    with pytest.raises(DataError, match="sample: its runs differ in their training images"):
        add_to_bank([study.output_dir], tmp_path / "bank.json")


def test_another_loader_is_refused(tmp_path):
    (tmp_path / "upstream.py").write_text(
        "from detectron2.config import LazyCall as L\n"
        "from detectron2.data import build_detection_train_loader\n"
        "from retina_plugin.config import get_config\n"
        "_base = get_config('quick/retinanet_tiny_synthetic.py')\n"
        "model, train, optimizer, lr_multiplier = _base.model, _base.train, _base.optimizer, _base.lr_multiplier\n"
        "losses, box_losses, synthetic = _base.losses, _base.box_losses, _base.synthetic\n"
        "dataloader = _base.dataloader\n"
        "dataloader.train._target_ = build_detection_train_loader\n"
    )
    with pytest.raises(ConfigError, match="resample_train needs retina_plugin.data.build_train_loader"):
        tiny_study(tmp_path / "study", {"a": []}, base=str(tmp_path / "upstream.py"), resample_train=True)
