"""The imbalance page of runs, from run folder to files."""

import html
import json
import runpy
import sys

import pytest
from conftest import ROOT

from retina_plugin.commands.analysis import analyze_imbalance as command
from retina_plugin.commands.analysis.analyze_imbalance import analyze_imbalance
from retina_plugin.config import ConfigError
from retina_plugin.engine.output_folder import prepare_folder
from retina_plugin.pages.figures import new_panel
from retina_plugin.study import load_study


@pytest.fixture(scope="module")
def analyzed(trained_run, tmp_path_factory):
    """The page of two runs, its numbers and its sentences."""
    folder = tmp_path_factory.mktemp("imbalance")
    page, sentences = analyze_imbalance(
        [trained_run, trained_run], folder / "out", max_images=3, gallery=4, study_file=folder / "study.py"
    )
    return page, json.loads((folder / "out" / "imbalance.json").read_text()), sentences


def test_the_page_needs_no_other_file_and_has_every_part(analyzed):
    page, _, sentences = analyzed
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "During training" not in text
    for part in (
        "easiest elements",
        "Imbalance between classes",
        "Are scores right",
        "Other alpha",
        "largest gradient",
    ):
        assert part in text
    assert text.count('<img src="data:') == 2 * 3 + 2 + 2 * 4
    assert all(sentence.partition(": ")[2] in text for sentence in sentences)
    assert 10_000 < (page.parent / "figure4.png").stat().st_size < 300_000


def test_what_training_recorded_is_on_the_page(trained_run, tmp_path, monkeypatch, unseen_figures):
    monkeypatch.setattr(command, "draw_history", lambda run: [new_panel("share of background", "iteration")[0]])
    page, _ = analyze_imbalance([trained_run], tmp_path, max_images=1, gallery=0)
    text = page.read_text(encoding="utf-8")
    assert "<h2>During training</h2>" in text and text.count('<img src="data:') == 3 + 2 + 1


def test_numbers_agree_with_each_other(analyzed):
    _, numbers, sentences = analyzed
    assert numbers["split"] == "test" and len(numbers["runs"]) == 2
    run = next(iter(numbers["runs"].values()))
    assert (run["images"], run["element"], run["own_loss"][:17]) == (3, "(anchor, class) logit", "SigmoidFocalLoss(")
    own = run["losses"]["its own loss"]
    parts = [q["gradient"]["foreground"] + q["gradient"]["background"] for q in own["levels"].values()]
    assert sum(parts) == pytest.approx(1)
    background = sum(q["gradient"]["background"] for q in own["levels"].values())
    assert own["background"]["gradient"] == pytest.approx(background)
    alpha = run["advisor"]["alpha"].index(0.25), run["advisor"]["gamma"].index(2.0)
    assert own["background"]["gradient"] == pytest.approx(
        run["advisor"]["background_share_of_gradient"][alpha[1]][alpha[0]]
    )
    easiest = run["easiest_90_percent_of_background"]
    assert easiest["CE (γ = 0)"] == own_curve(run, "CE (γ = 0)") and easiest["CE (γ = 0)"] > easiest["focal, γ = 2"]
    assert sum(x["objects"] for x in run["classes"]) == sum(run["objects_by_size"].values())
    assert sum(x["foreground_anchors"] for x in run["classes"]) == run["anchors"]["foreground"]
    assert len(sentences) == 10 and f"1 to {run['anchors']['background'] / run['anchors']['foreground']:.0f}" in str(
        sentences
    )


def own_curve(run: dict, loss: str) -> float:
    curve = run["losses"][loss]["curve"]
    return curve["background"][curve["fraction"].index(0.9)]


def test_the_study_of_the_hint_can_be_loaded(analyzed):
    study_file = analyzed[0].parent.parent / "study.py"
    study = load_study(study_file)
    assert study.reference == "own_loss" and len(study.variants) == 4 and study.match == ("prior", "scale")
    run = next(iter(analyzed[1]["runs"].values()))
    alpha = run["advisor"]["alpha_for_target"][run["advisor"]["gamma"].index(1.0)]
    cfg = study.run_config(study.variants[2], 0)
    assert (cfg.model.cls_loss.gamma, cfg.model.cls_loss.alpha) == (1.0, pytest.approx(alpha, rel=5e-3))


def test_arguments_that_do_not_fit_are_refused_before_anything_runs(trained_run, analyzed, tmp_path):
    study_file = analyzed[0].parent.parent / "study.py"
    with pytest.raises(ConfigError, match="--write-study .*study.py: name a new file"):
        analyze_imbalance([trained_run], tmp_path, study_file=study_file)
    with pytest.raises(ConfigError, match="softmax_ce needs 4 logits per anchor, and this detector has 3"):
        analyze_imbalance([trained_run], tmp_path, losses=["softmax_ce"])
    with pytest.raises(ConfigError, match="--weights belongs to one run"):
        analyze_imbalance([trained_run, trained_run], tmp_path, weights=trained_run / "model_final.pth")
    for wrong in ({"max_images": 0}, {"gallery": -1}):
        with pytest.raises(ConfigError, match="must be at least 1 and 0"):
            analyze_imbalance([trained_run], tmp_path, **wrong)
    assert not list(tmp_path.iterdir())


def test_a_run_with_its_page_can_be_trained_again(tiny_cfg, tmp_path):
    cfg = tiny_cfg()
    prepare_folder(cfg, resume=False)
    (tmp_path / "run" / "imbalance").mkdir()
    prepare_folder(cfg, resume=False)
    assert (tmp_path / "run.1" / "imbalance").is_dir() and not (tmp_path / "run" / "imbalance").exists()


def test_the_tool_passes_its_arguments_on_and_prints_sentences(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(command, "analyze_imbalance", lambda *args: calls.append(args) or ("PAGE", ["It is so."]))
    words = "--run A B --weights W --split train --max-images 3 --losses hinge focal --output O --gallery 0"
    more = "--target-background-share .3 --write-study S.py --trust-module mine"
    monkeypatch.setattr(sys, "argv", ["analyze_imbalance", *words.split(), *more.split()])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools" / "analyze_imbalance.py"), run_name="__main__")
    assert end.value.code == 0
    assert calls == [(["A", "B"], "O", "W", "train", 3, ["hinge", "focal"], 0, 0.3, "S.py", ["mine"])]
    assert capsys.readouterr().out == "It is so.\nThe page is PAGE\n"
