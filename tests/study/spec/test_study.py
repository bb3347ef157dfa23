"""Study files that are refused, and runs of a small study."""

import runpy
import sys
from dataclasses import replace

import pytest
from conftest import QUICK, ROOT, TINY

from retina_plugin.config import ConfigError
from retina_plugin.study import load_study, run_study


def study_file(tmp_path, text):
    (tmp_path / "study.py").write_text(text)
    return tmp_path / "study.py"


def small(tmp_path, variants, hypotheses=(), **settings):
    text = f"study = dict(base={QUICK!r}, variants={variants!r}, hypotheses={list(hypotheses)!r})"
    overrides = [o for o in TINY if "max_iter" not in o] + ["train.max_iter=2"]
    where = {"output_dir": tmp_path / "out", "overrides": overrides}
    return load_study(study_file(tmp_path, text), **where | settings)


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("x = 1", {}, "study.py: it defines no 'study'"),
        ("import ,", {}, "study.py raises SyntaxError"),
        ("1 / 0", {}, "study.py raises ZeroDivisionError"),
        ("study = 5", {}, r"study.py: study must be dict\(base=...\), got 5"),
        *(
            (f"study = dict(base='a', variants=dict(x=[]), {key}=5)", {}, f"study.py: {key} must be .*, got 5")
            for key in ("output_dir", "tuned_by", "hypotheses", "paper", "reference", "match", "threshold_free")
        ),
        ("study = dict(base='a')", {}, "needs base and variants"),
        ("study = dict(base='a', variants=dict(x=[]), sead=1)", {}, "'sead' is unknown; study needs base and variants"),
        ("study = dict(variants=dict(x=[]))", {}, "'base' is missing; study needs"),
        ("study = dict(base='nothing.py', variants=dict(x=[]))", {}, "nothing.py does not exist"),
        ("study = dict(base='a', variants={'../x': []})", {}, "must have names of letters"),
        ("study = dict(base='a', variants={'..': []})", {}, "must have names of letters"),
        ("study = dict(base='a', variants={1: []})", {}, "must have names of letters"),
        ("study = dict(base='a', variants=dict(x=['train.seed=7']))", {}, "variant x: .*--seeds"),
        (
            f"study = dict(base={QUICK!r}, variants=dict(x=[]), overrides=['train.seed=7'])",
            {},
            "--seeds",
        ),
        (
            f"study = dict(base={QUICK!r}, variants=dict(x=[]))",
            {"overrides": ["train.seed=7"]},
            "line: .*--seeds",
        ),
        (
            f"study = dict(base={QUICK!r}, variants=dict(x=[]))",
            {"overrides": ["+train.output_dir=x"]},
            "--output",
        ),
        ("study = dict(base='a', variants=dict(x='train.max_iter=3'))", {}, "variant x must be a list of key=value"),
        ("study = dict(base='a', variants=dict(x=['train']))", {}, "variant x must be a list of key=value"),
        ("study = dict(base='a', variants=['x'])", {}, r"variants must be dict\(name="),
        ("study = dict(base='a', variants=dict(x=[]), overrides='a=1')", {}, "overrides must be a list of key=value"),
        ("study = dict(base='a', factors=dict(f=dict(x='a=1', y=[])))", {}, r"factors.f\['x'\] must be a list"),
        ("study = dict(base=None, variants=dict(x=[]))", {}, "base must be the name of a config, got None"),
        (
            "study = dict(base='a', variants=dict(x=[]), tune=dict(lr=[]))",
            {},
            "tune.lr must be .lowest, highest. or None",
        ),
        *(
            (
                f"study = dict(base='a', variants=dict(x=[]), tune=dict({setting}))",
                {},
                "tune.rungs must be|tune.share in",
            )
            for setting in ("rungs=5", "rungs=['a']", "rungs=[.5, .25]", "share='x'", "seed=-1")
        ),
        ("study = dict(base='a', variants=dict(x=[]), seeds=3)", {}, "seeds must be a list of integers or 'auto'"),
        ("study = dict(base='a', variants=dict(x=[]), seeds=[[0]])", {}, "seeds must be different integers"),
        ("study = dict(base='a', variants=dict(x=[]), seeds=[0, -1])", {}, "integers from 0 to"),
        ("study = dict(base='a', variants=dict(x=[]), match=[['prior']])", {}, "match must be a list of"),
        (
            "study = dict(base='a', variants=dict(x=[], y=[]), hypotheses=[dict(better='y', than='x', "
            "metric=dict(key='validation/loss_cls', name='AP'))])",
            {},
            "'AP'. appear more than once",
        ),
        ("study = dict(base='a', variants=dict(x=[]), reference='y')", {}, "no variant 'y'"),
        ("study = dict(base='a', variants=dict(x=[]), seeds=[])", {}, "at least one"),
        ("study = dict(base='a', variants=dict(x=[]), metrics=[])", {}, "metrics is empty"),
        ("study = dict(base='a', variants=dict(x=[]))", {"seeds": [0, 0]}, "must be different"),
        (f"study = dict(base={QUICK!r}, variants=dict(x=['a=1']))", {}, "key a is unknown"),
        (f"study = dict(base={QUICK!r}, variants=dict(x=[]))", {"only": ["y"]}, "no variant 'y'"),
    ],
)
def test_invalid_study_files_are_refused_before_training(text, settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        load_study(study_file(tmp_path, text), **settings)


@pytest.mark.parametrize(("only", "asked", "others"), [("bc", 0, 3), ("ab", 1, 2), ("abcd", 3, 0)])
def test_what_is_asked_without_hypotheses_does_not_depend_on_what_runs(tmp_path, only, asked, others):
    study = small(tmp_path, {name: [] for name in "abcd"}, only=list(only))
    assert (len(study.questions), len(study.other_questions)) == (asked, others)
    assert {h.than for h in (*study.questions, *study.other_questions)} == {"a"}


def test_a_base_that_is_a_path_is_text_in_the_report(tmp_path):
    text = f"from pathlib import Path\nstudy = dict(base=Path({QUICK!r}), variants=dict(x=[]))"
    assert load_study(study_file(tmp_path, text)).base == QUICK


def test_metrics_of_hypotheses_are_columns_too(tmp_path):
    study = small(tmp_path, {"a": [], "b": []}, hypotheses=[dict(better="b", than="a", metric="validation/loss_cls")])
    assert [m.name for m in study.metrics][-1] == "validation/loss_cls"


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


def test_other_runs_continue_after_one_fails(finished):
    study, results = finished
    assert [r.variant for r in results] == ["focal", "ce", "broken"]
    assert [bool(r.error) for r in results] == [False, False, True]
    assert "model.num_classes=4" in results[2].error and "seed0.log" in results[2].error
    for variant in ("focal", "ce"):
        assert (study.run_dir(variant, 0) / "model_final.pth").is_file()


def test_finished_runs_are_not_repeated(finished):
    study, results = finished
    final = study.run_dir("focal", 0) / "model_final.pth"
    made = final.stat().st_mtime_ns
    again = run_study(replace(study, variants=study.variants[:2]))
    assert final.stat().st_mtime_ns == made and str(again) == str(results[:2])


def test_the_tool_says_that_a_run_failed(finished, monkeypatch, capsys, tmp_path):
    study, _ = finished
    argv = ["ablate", "--study", str(study.output_dir.parent / "study.py"), "--num-images", "0"]
    argv += ["--output", str(study.output_dir), *study.overrides]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools/ablate.py"), run_name="__main__")
    assert "1 of 3 runs failed" in str(end.value.code)
