"""Studies: what they are, what they run, and what they report."""

import json
import math
import runpy
import subprocess
import sys

import pytest
from conftest import QUICK, ROOT, TINY

from retina_plugin.config import ConfigError
from retina_plugin.study import load_study, run_study, write_report
from retina_plugin.study.results import RunResult, tabulate_runs


def study_file(tmp_path, text):
    (tmp_path / "study.py").write_text(text)
    return tmp_path / "study.py"


def small(tmp_path, variants, **settings):
    text = f"study = dict(base={QUICK!r}, variants={variants!r})"
    overrides = [o for o in TINY if "max_iter" not in o] + ["train.max_iter=2"]
    where = {"output_dir": tmp_path / "out", "overrides": overrides}
    return load_study(study_file(tmp_path, text), **where | settings)


def result(variant, seed, ap, error=""):
    metrics = {} if error else {"bbox/AP": ap, "bbox/APl": math.nan}
    return RunResult(variant, seed, "nowhere", 1.0, metrics, error)


def test_rows_pair_runs_by_seed():
    runs = [result("a", 0, 30.0), result("b", 0, 28.0), result("a", 1, 34.0), result("b", 1, 31.0)]
    runs += [result("b", 2, 99.0), result("a", 2, 0, error="killed")]
    first, second = tabulate_runs(runs, "a")
    assert (first.variant, first.num_runs, first.mean["AP"]) == ("a", 2, 32.0)
    assert first.spread["AP"] == pytest.approx(math.sqrt(8))
    assert second.difference["AP"] == -2.5  # seed 2 has no partner
    assert math.isnan(second.mean["APl"]) and math.isnan(second.mean["AP75"])


def test_one_seed_has_no_spread():
    (row,) = tabulate_runs([result("a", 0, 30.0)], "a")
    assert math.isnan(row.spread["AP"])


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("x = 1", {}, "defines no 'study'"),
        ("study = dict(base='a')", {}, "needs base and variants"),
        ("study = dict(base='a', variants=dict(x=[]), sead=1)", {}, "needs base and variants"),
        ("study = dict(base='nothing.py', variants=dict(x=[]))", {}, "nothing.py does not exist"),
        ("study = dict(base='a', variants={'../x': []})", {}, "must have names of letters"),
        (f"study = dict(base={QUICK!r}, variants=dict(x=['a=1']))", {}, "key a is unknown"),
        (f"study = dict(base={QUICK!r}, variants=dict(x=[]))", {"only": ["y"]}, "no variant 'y'"),
    ],
)
def test_bad_studies_are_refused_before_training(text, settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        load_study(study_file(tmp_path, text), **settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of two variants and one that fails."""
    folder = tmp_path_factory.mktemp("study")
    variants = {
        "focal": [],
        "ce": ["model.cls_loss=${losses.softmax_ce}"],
        "broken": ["model.num_classes=4"],
    }
    study = small(folder, variants)
    return study, run_study(study)


def test_a_failed_run_takes_no_other_with_it(finished):
    study, results = finished
    assert [r.variant for r in results] == ["focal", "ce", "broken"]
    assert [bool(r.error) for r in results] == [False, False, True]
    assert "model.num_classes=4" in results[2].error and "seed0.log" in results[2].error
    for variant in ("focal", "ce"):
        assert (study.run_dir(variant, 0) / "model_final.pth").is_file()


def test_another_process_recognises_the_runs(finished):
    study, results = finished
    code = f"""
from retina_plugin.study.executors import LocalExecutor
from retina_plugin.study.runner import _job
from retina_plugin.study import load_study
study = load_study({str(study.output_dir.parent / "study.py")!r}, output_dir={str(study.output_dir)!r},
                   overrides={list(study.overrides)!r})
print(_job(study, study.variants[0], 0, LocalExecutor().threads).digest)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    recorded = json.loads((study.run_dir("focal", 0) / "result.json").read_text())["digest"]
    assert printed.strip() == recorded


def test_finished_runs_are_not_repeated_and_changed_ones_are(finished):
    study, results = finished
    final = study.run_dir("focal", 0) / "model_final.pth"
    made = final.stat().st_mtime_ns
    again = run_study(study.__class__(**study.__dict__ | {"variants": study.variants[:2]}))
    assert final.stat().st_mtime_ns == made and str(again) == str(results[:2])


def test_the_report_shows_numbers_pictures_and_failures(finished):
    study, results = finished
    page = write_report(study, results, num_images=1)
    html, text = page.read_text(), page.with_name("report.md").read_text()
    content = json.loads(page.with_name("report.json").read_text())
    assert [row["variant"] for row in content["rows"]] == ["focal", "ce", "broken"]
    assert content["runs"][0]["metrics"]["iteration"] == 2
    assert html.count("data:image/jpeg;base64") == 1 and html.count("data:image/png;base64") == 1
    assert "http://" not in html and "https://" not in html
    for part in ("broken, seed 0 failed", "model.cls_loss=${losses.softmax_ce}", "One seed"):
        assert part in text and part in html


def test_the_tool_says_that_a_run_failed(finished, monkeypatch, capsys, tmp_path):
    study, _ = finished
    argv = ["ablate", "--study", str(study.output_dir.parent / "study.py"), "--num-images", "0"]
    argv += ["--output", str(study.output_dir), *study.overrides]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools/ablate.py"), run_name="__main__")
    assert "1 of 3 runs failed" in str(end.value.code)
