"""A study folder of an earlier version is reported as it was, and run again with its runs kept."""

import json
import runpy
import shutil
import sys
from dataclasses import replace

import pytest
from conftest import ROOT

from retina_plugin.commands.ablate import ablate
from retina_plugin.config import ConfigError
from retina_plugin.study import load_study, run_study
from retina_plugin.study.execution.results import found_results

OLD = ROOT / "tests/fixtures/old_runs"


@pytest.fixture
def study(tmp_path):
    shutil.copytree(OLD / "study", tmp_path / "study")
    return load_study(OLD / "study.py", output_dir=tmp_path / "study")


def read_report(study):
    """The report with numbers to 12 digits: other versions of numpy sum in another order."""
    text = (study.output_dir / "report.json").read_text()
    return json.loads(text, parse_float=lambda digits: float(f"{float(digits):.12g}"))


def test_its_report_says_the_same(study, capsys, unseen_figures):
    before = read_report(study)
    ablate(study, num_images=0, report_only=True)
    after = read_report(study)
    for told in ("num_images", "costs", "class_rows", "classes", "changes", "verdicts", "rows"):
        assert known_part(after[told], before[told]) == before[told]


def known_part(new, old):
    """What `new` says under the keys that `old` has.

    The words of an explanation may change, and comparisons count now whether or not they have a verdict.
    """
    if isinstance(old, dict):
        changed = ("text", "num_comparisons")
        return {key: old[key] if key in changed else known_part(new[key], old[key]) for key in old}
    if isinstance(old, list):
        return [known_part(a, b) for a, b in zip(new, old, strict=True)]
    return new


def test_a_report_joins_no_cluster(study, monkeypatch, capsys, unseen_figures):
    monkeypatch.setattr("retina_plugin.study.build_executor", lambda *_: pytest.fail("a report trains nothing"))
    where = ["--study", str(OLD / "study.py"), "--output", str(study.output_dir), "--num-images", "0"]
    monkeypatch.setattr(sys, "argv", ["ablate", *where, "--report-only", "--executor", "ray", "--address", "auto"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools/ablate.py"), run_name="__main__")
    assert not end.value.code and "report with pictures" in capsys.readouterr().out


def test_a_run_that_is_not_there_is_named(study, capsys):
    (study.output_dir / "focal/seed0/result.json").unlink()
    focal, softmax_ce = found_results(study)
    assert "focal/seed0/result.json does not exist" in focal.error and not softmax_ce.error


def test_what_was_matched_cannot_be_told_otherwise_later(study):
    def tell(*match):
        path = study.output_dir / "report.json"
        content = json.loads(path.read_text())
        content["facts"]["match"] = list(match)
        path.write_text(json.dumps(content))

    tell()
    with pytest.raises(ConfigError, match="report.json tells of runs with no --match, this command of --match scale"):
        found_results(replace(study, match=("scale",)))
    tell("scale", "prior")
    with pytest.raises(ConfigError, match="runs with --match scale prior, this command of no --match: give it the"):
        found_results(study)
    assert len(found_results(replace(study, match=("prior", "scale")))) == 2


def test_run_again_its_runs_are_kept(study, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    study = load_study(OLD / "study.py", only=["focal"], output_dir=study.output_dir)
    (result,) = run_study(study)
    said = capsys.readouterr().out
    assert "focal, seed 0 runs again, and the earlier run is kept" in said
    assert not result.error
    assert (study.output_dir / "focal/seed0.1/model_final.pth").is_file()
