"""What a report says, in all three forms."""

import json
import math
import platform
import re
import shutil
import time
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import QUICK, TINY
from planted import NUM_IMAGES, plant_study

from retina_plugin.config import ConfigError, get_config
from retina_plugin.engine.reliability.config_values import config_values
from retina_plugin.study import load_study, write_report
from retina_plugin.study.evidence.by_image import collect_evidence
from retina_plugin.study.execution.results import RunResult
from retina_plugin.study.report.content import _command, _environment, collect_content
from retina_plugin.study.report.costs import loss_scales
from retina_plugin.study.report.disagreement import (
    best_threshold,
    compare_errors,
    count_images,
    rank_by_lead,
)
from retina_plugin.study.report.figures import draw_bands
from retina_plugin.study.spec.config_changes import config_changes, variant_changes
from retina_plugin.study.spec.study import MATCHED_SCALE
from retina_plugin.study.statistics.measurements import Measurements

PAPER = {"focal": {"AP": 34.0, "source": "arXiv 1708.02002, table 1b"}}
HYPOTHESES = [
    {"better": "focal", "than": "ce"},
    {"better": "ce", "than": "broken", "metric": "AP50"},
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory, trained_run):
    folder = tmp_path_factory.mktemp("planted")
    study, results = plant_study(folder, trained_run, hypotheses=HYPOTHESES, paper=PAPER)
    scales = {
        "focal": {"loss_cls": 1.0, "grad_norm": 0.1, "factor": 1.0},
        "ce": {"loss_cls": 50.0, "grad_norm": 4.0, "factor": 0.025},
    }
    (study.output_dir / "scales.json").write_text(json.dumps(scales))
    return study, results


@pytest.fixture(scope="module")
def report(planted):
    page = write_report(*planted, num_images=2)
    return (
        page.read_text(),
        page.with_suffix(".md").read_text(),
        page.with_suffix(".json").read_text(),
    )


def test_all_three_forms_say_the_same(report):
    html, text, content = unescape(report[0]), report[1], json.loads(report[2])
    first, second = content["verdicts"]
    assert first["outcome"] == "better" and first["difference"]["low"] > 0
    assert first["difference"]["num_images"] == NUM_IMAGES and first["num_comparisons"] == 2
    assert second["outcome"] == "no verdict" and "No seed has a finished run" in second["text"]
    mean = content["rows"][0]["level"]["AP"]
    for form in (html, text):
        assert first["headline"] in form and f"{mean['mean']:.1f} ± {mean['spread']:.1f}" in form
        assert "SigmoidFocalLoss" in form and "SoftmaxCrossEntropyLoss" in form
        assert "table 1b" in form and "× 0.025" in form and content["facts"]["command"] in form
        assert " ".join(content["facts"]["overrides"]) in form
    assert text.index("is better than") < text.index("| variant |")
    assert content["scales"][1]["loss_ratio"] == 50.0 and content["scales"][1]["matched"]


def test_the_page_is_self_contained_and_escapes_errors(report):
    html = report[0]
    assert "http://" not in html and "https://" not in html and "<script" not in html
    assert "out of &lt;memory&gt;" in html
    assert html.count("data:image/svg+xml;base64") == 7  # means, two of precision, three of training, calibration
    assert html.count("data:image/jpeg;base64") == 2 * 3  # ground truth and two variants
    assert len(html) < 5e6


def test_the_same_runs_give_the_same_report(planted, report):
    start = time.process_time()
    page = write_report(*planted, num_images=2)
    seconds = time.process_time() - start
    print(f"a report of 6 runs of {NUM_IMAGES} images took {seconds:.1f} s")
    assert page.with_suffix(".json").read_text() == report[2] and page.read_text() == report[0]
    assert seconds < 30


def test_one_seed_gets_no_verdict(tmp_path, trained_run, unseen_figures):
    study, results = plant_study(tmp_path, trained_run, seeds=(4,))
    page = write_report(study, results, num_images=0)
    html, text = page.read_text(), page.with_suffix(".md").read_text()
    content = json.loads(page.with_suffix(".json").read_text())
    assert {v["outcome"] for v in content["verdicts"]} == {"no verdict"}
    assert content["verdicts"][0]["difference"]["low"] < 0  # ce against focal, over images
    ce, focal = (r["level"]["AP"]["mean"] for n in ("ce", "focal") for r in content["rows"] if r["variant"] == n)
    opening = (
        f"with seed 4, ce ({ce:.1f} AP) came out behind focal ({focal:.1f}); "
        "broken and focal cannot be compared; one seed gives no verdict."  # every run of broken failed
    )
    for part in ("One seed", "nothing follows for the two configs", opening):
        assert part in html and part in text
    assert "data:image/jpeg" not in html


def test_without_results_by_image_intervals_are_based_on_seeds(planted, tmp_path, unseen_figures):
    study, results = planted
    moved = []
    for r in results:
        run_dir = r.run_dir
        if r.variant == "ce":
            run_dir = shutil.copytree(r.run_dir, tmp_path / f"{r.variant}{r.seed}")
            (run_dir / "inference/coco_instances_results.json").unlink()
        moved.append(RunResult(r.variant, r.seed, str(run_dir), r.minutes, r.metrics, r.error))
    study = replace(study, output_dir=tmp_path)
    page = write_report(study, moved, num_images=1)
    content = json.loads(page.with_suffix(".json").read_text())
    assert "has no inference/coco_instances_results.json" in content["no_images_because"]
    assert content["verdicts"][0]["difference"]["num_images"] == 0
    assert "They hold for these test images" in page.read_text()


LOSS = {"key": "validation/loss_cls", "name": "val loss", "higher_is_better": False, "unit": "nats"}


@pytest.fixture(scope="module")
def other_metrics(tmp_path_factory, trained_run):
    """The report of a study about a loss, AP, a metric that no run reports and one that is always NaN."""
    study, results = plant_study(
        tmp_path_factory.mktemp("metrics"),
        trained_run,
        metrics=[LOSS, "AP", "mAP", "APl"],
        hypotheses=[{"better": "focal", "than": "ce"}],
        paper={"focal": {"val loss": 0.25, "source": "a figure"}},
    )
    for r in results:
        if not r.error:
            r.metrics[LOSS["key"]] = 0.2 + r.seed / 100 + (r.variant == "ce") * (0.3 + r.seed / 1000)
            r.metrics["bbox/APl"] = math.nan
    page = write_report(study, results, num_images=0)
    return (
        unescape(page.read_text()),
        page.with_suffix(".md").read_text(),
        json.loads(page.with_suffix(".json").read_text()),
    )


def test_a_loss_is_better_when_it_is_lower(other_metrics):
    html, text, content = other_metrics
    (verdict,) = content["verdicts"]
    assert verdict["outcome"] == "better" and verdict["difference"]["mean"] < 0
    assert verdict["hypothesis"]["metric"] == "val loss" and content["lower_is_better"] == ["val loss"]
    for form in (html, text):
        assert "focal is better than ce in val loss (lower is better), by 0.301 nats" in form
        assert "0.21 ± 0.01" in form and "AP in percent" in form
        assert "nats, lower is better" in form
    bar = re.search(r'class="bar" style="left: ([0-9.]+)%; right: ([0-9.]+)%', html)
    assert float(bar[1]) > 50 and float(bar[2]) < 50  # to the right of "no difference"
    assert "<td>0.25<small>here 0.21</small></td>" in html


def test_metrics_that_no_run_reports_are_named_with_the_nearest_keys(other_metrics):
    html, text, content = other_metrics
    assert list(content["missing"]) == ["mAP", "APl"] and content["metrics"] == ["val loss", "AP"]
    for form in (html, text):
        assert "no run reports 'bbox/mAP'; the nearest keys in metrics.json are bbox/AP" in form
        assert "NaN in every run" in form


def test_metrics_without_resampled_images_are_named(other_metrics):
    html, text, content = other_metrics
    assert content["seeds_only"] == ["val loss"]
    assert content["rows"][1]["difference"]["AP"]["num_images"] == NUM_IMAGES
    for form in (html, text):
        assert "intervals of val loss are based on seeds only" in form


def test_a_study_without_a_finished_run_has_a_report(planted, tmp_path):
    study, results = planted
    study = replace(study, output_dir=tmp_path)
    failed = [RunResult(r.variant, r.seed, "nowhere", 0.0, {}, "killed") for r in results]
    page = write_report(study, failed)
    assert page.read_text().count("killed") == len(results)
    assert json.loads(page.with_suffix(".json").read_text())["rows"][0]["num_runs"] == 0


def test_detections_of_another_evaluation_are_refused(planted):
    _, results = planted
    wrong = [RunResult(r.variant, r.seed, r.run_dir, 1.0, r.metrics | {"bbox/AP": 3.0}, r.error) for r in results]
    evidence, reason = collect_evidence(wrong)
    assert not evidence and "its bbox/AP is 3.00" in reason


def test_images_are_ordered_by_the_lead_of_the_better_variant(planted):
    evidence, _ = collect_evidence(planted[1])
    runs = [evidence[variant, 0].matches for variant in ("focal", "ce")]
    focal, ce = (count_images(m, best_threshold(m)) for m in runs)
    lead = (ce.errors - focal.errors)[order := rank_by_lead(focal, ce)]
    assert (np.diff(lead) <= 0).all() and lead[-1] > 0
    more, fewer, alike = compare_errors(focal, ce)
    assert more == len(order) and more + fewer + alike == NUM_IMAGES
    assert compare_errors(ce, focal) == (fewer, more, alike) and len(rank_by_lead(ce, focal)) == fewer
    assert focal.found.sum() > ce.found.sum()
    assert (focal.found <= focal.objects).all()
    assert 0.35 <= best_threshold(runs[0]) <= 0.45  # false detections score .3, true ones .4 and more


def test_changes_are_leaves_of_the_resolved_config():
    overrides = ["model.cls_loss=${losses.softmax_ce}"]
    base, own = get_config(QUICK, TINY), get_config(QUICK, [*TINY, *overrides])
    assert config_changes(base, base, ()) == []
    changes = config_changes(base, own, overrides)
    named = [(c.key, *c.short) for c in changes if c.named]
    assert named[0] == ("model.cls_loss._target_", "SigmoidFocalLoss", "SoftmaxCrossEntropyLoss")
    assert [x[0] for x in named[1:]] == ["model.cls_loss.alpha", "model.cls_loss.gamma"]
    assert {c.key.rpartition(".")[0] for c in changes if not c.named} == {"model.head.cls_loss"}


def test_a_value_that_only_the_variants_set_is_a_change():
    config, own = "custom/retinanet_MNV2_FPN.py", ["data.train_json=mine.json"]
    before, after = get_config(config), get_config(config, own)
    before.also = after.also = {"paths": ["${data.train_json}"], "array": np.zeros(2)}
    changes = config_changes(before, after, own)
    found = {c.key: (c.old, c.new, c.named) for c in changes}
    assert found["data.train_json"] == ("not set", "mine.json", True)
    assert found["dataloader.train.dataset.names.json_file"] == ("not set", "mine.json", False)
    assert found["also.paths"] == ("['not set']", "['mine.json']", False)


def test_only_the_variants_overrides_are_shown_as_changes(planted):
    changes = collect_content(planted[0], Measurements(planted[1]))["changes"]
    assert changes["focal"] == changes["broken"] == []
    assert {c.key.partition("cls_loss")[0] for c in changes["ce"]} == {"model.", "model.head."}


def test_a_matched_scale_is_a_change(planted):
    study = planted[0]
    matched = replace(study.variants[0], overrides=(MATCHED_SCALE,))
    (change,) = variant_changes(replace(study, variants=(matched,)))["focal"]
    assert (change.key, change.old, change.new, change.named) == ("model.cls_loss_weight", "–", "matched", True)


def test_a_study_without_scales_file_has_no_scales(planted, tmp_path):
    study = planted[0]
    assert loss_scales(replace(study, output_dir=tmp_path)) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"hypotheses": [{"better": "focal", "then": "ce"}]}, "must be dict"),
        ({"hypotheses": ["focal > ce"]}, "must be dict"),
        ({"hypotheses": [{"better": "focal", "than": "ohem"}]}, "no variant 'ohem'"),
        ({"hypotheses": [{"better": "ce", "than": "ce"}]}, "with itself"),
        (
            {"hypotheses": [{"better": "ce", "than": "focal", "metric": 1}]},
            "metric 1 must be a name",
        ),
        ({"hypotheses": [{"better": "ce", "than": "focal", "p": 1}]}, "unknown keys"),
        ({"paper": {"ohem": {"AP": 32.8, "source": "table 1d"}}}, "no variant 'ohem'"),
        ({"paper": {"focal": {"AP": 34.0}}}, "source="),
        ({"paper": {"focal": {"AP": "34", "source": "x"}}}, "paper.focal.AP must be a number"),
    ],
)
def test_invalid_hypotheses_and_figures_are_refused(planted, tmp_path, content, message):
    base = {"base": planted[0].base, "variants": {"focal": [], "ce": []}}
    (tmp_path / "study.py").write_text(f"study = {base | content!r}")
    with pytest.raises(ConfigError, match=message):
        load_study(tmp_path / "study.py")


def test_hypotheses_about_variants_that_do_not_run_are_named_in_the_report(planted, tmp_path, caplog, unseen_figures):
    path = planted[0].output_dir.parent / "study.py"
    study = load_study(path, only=["focal", "ce"])
    assert [str(h) for h in study.hypotheses] == ["focal is better than ce in AP"]
    assert "ce is better than broken in AP50" in caplog.text
    study = replace(study, output_dir=tmp_path)
    assert "Not asked" in write_report(study, planted[1], num_images=0).read_text()


@pytest.mark.parametrize(
    ("program", "typed"),
    [
        ("/home/me/.venv/bin/retina", "retina ablate --study 'my study.py'"),
        ("/home/me/retina_cli/__main__.py", "retina ablate --study 'my study.py'"),
        ("tools/ablate.py", "python tools/ablate.py ablate --study 'my study.py'"),
    ],
)
def test_the_command_is_what_the_user_typed(program, typed):
    assert _command(program, "ablate", "--study", "my study.py") == typed


def test_a_run_that_ends_early_counts_as_far_as_it_goes():
    iterations = np.arange(0, 100, 10.0)
    lines = [np.stack([iterations[:n], iterations[:n] + shift]) for n, shift in ((4, 2), (10, 0))]
    mean = draw_bands({"v": lines}, "title", "iteration")[1].lines[0]
    assert mean.get_xdata().tolist() == iterations.tolist()
    assert mean.get_ydata().tolist() == [1, 11, 21, 31, 40, 50, 60, 70, 80, 90]


def test_versions_are_those_of_the_runs(tmp_path):
    for name, version in {"a": "2.4.0", "b": "2.5.0"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "facts.json").write_text(json.dumps({"config": {}, "code": {"torch": version}}))
    study = SimpleNamespace(base="b", seeds=[0], overrides=(), variants=(), made_alike={})
    found = _environment(study, [SimpleNamespace(run_dir=str(tmp_path / name)) for name in "ab"])
    assert found["versions"]["torch"] == "2.4.0, 2.5.0" and found["versions"]["python"] == platform.python_version()


def test_runs_of_other_settings_are_named_in_the_report(tmp_path, trained_run, unseen_figures):
    study, results = plant_study(tmp_path, trained_run)
    values = config_values(study.run_config(study.variants[0], 1)) | {"train.max_iter": "30"}
    (study.run_dir("focal", 1) / "facts.json").write_text(json.dumps({"config": values}))
    page = write_report(study, results, num_images=0)
    for form in (page.read_text(), page.with_suffix(".md").read_text(), page.with_suffix(".json").read_text()):
        assert "focal, seed 1 was trained with other settings than these: train.max_iter was 30, not 4" in form


def test_flags_of_a_verdict_stand_beside_it(tmp_path, trained_run, unseen_figures):
    study, results = plant_study(tmp_path, trained_run, hypotheses=HYPOTHESES[:1])
    for r in results:
        if not r.error:
            r.metrics["bbox/AP"] = 40 + r.seed / 10 if r.variant == "focal" else (14.0, 20.0, 28.0)[r.seed]
    page = write_report(study, results, num_images=0)
    for form in (page.read_text(), page.with_suffix(".md").read_text()):
        assert "Flagged: ce spreads clearly further than focal." in form
