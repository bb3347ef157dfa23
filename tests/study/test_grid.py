"""One study in every cell of a grid: which settings a cell has, its runs, and the map of all cells."""

import json

import pytest
from conftest import ROOT
from studies import CE, tiny_study

from retina_plugin.commands.ablate import ablate_grid
from retina_plugin.config import ConfigError
from retina_plugin.study.grid.grid import load_grid
from retina_plugin.study.grid.map import write_map

GRID = {"objects": {"few": ["synthetic.objects=[1,1]"], "many": ["synthetic.objects=[2,3]"]}}
GRID |= {"iterations": {"2": ["train.max_iter=2"], "4": ["train.max_iter=4"]}}
ASKED = [dict(better="focal", than="ce", metric="AP")]


def grid_of(folder, grid=GRID, cells=None, **settings):
    tiny_study(folder, dict(focal=[], ce=[CE]), grid=grid, hypotheses=ASKED, **settings)
    return load_grid(folder / "study.py", cells)


def report(grid, cell, p, difference=2.0, p_equivalent=None, flags=(), **facts):
    """A cell's report.json, as far as the map reads it."""
    verdict = {
        "hypothesis": ASKED[0] | {"margin": None},
        "p_corrected": p,
        "p_equivalent": p_equivalent,
        "difference": {"mean": difference},
        "flags": list(flags),
    }
    rows = [{"variant": name, "level": {"AP": {"mean": mean}}} for name, mean in (("focal", 12.0), ("ce", 10.0))]
    return {"verdicts": [verdict], "rows": rows, "facts": {"overrides": grid.settings(cell)} | facts}


def with_reports(grid, reports):
    for cell, content in reports.items():
        folder = grid.folder(cell)
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(report(grid, cell, **content)))
    return write_map(grid)


def cells_of(folder):
    (cells,) = json.loads((folder / "out/map.json").read_text())["cells"].values()
    return cells


def test_a_cell_has_the_settings_of_its_row_and_its_column(tmp_path):
    grid = grid_of(tmp_path)
    cell = grid.study(("many", "4"))
    cfg = cell.run_config(cell.variants[0], 0)
    assert (list(cfg.synthetic.objects), cfg.train.max_iter) == ([2, 3], 4)
    assert cell.output_dir == tmp_path / "out" / "many" / "4"
    assert len(grid.cells) == len(grid.chosen) == 4


def test_the_command_line_takes_precedence_over_a_cell(tmp_path):
    grid_of(tmp_path)
    grid = load_grid(tmp_path / "study.py", overrides=["train.max_iter=3"], only=["focal"])
    study = grid.study(("few", "4"))
    assert study.run_config(study.variants[0], 0).train.max_iter == 3
    assert [v.name for v in study.variants] == ["focal"]


@pytest.mark.parametrize(("cells", "expected"), [(["few"], 2), (["4"], 2), (["many/2"], 1), (["many/2", "2"], 2)])
def test_cells_are_chosen_by_row_column_or_both(tmp_path, cells, expected):
    assert len(grid_of(tmp_path, cells=cells).chosen) == expected


def test_a_file_without_grid_is_no_grid(tmp_path):
    tiny_study(tmp_path, dict(focal=[], ce=[CE]))
    assert load_grid(tmp_path / "study.py") is None
    with pytest.raises(ConfigError, match="has no grid"):
        load_grid(tmp_path / "study.py", cells=["few"])


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (dict(GRID, third={"x": []}), "two axes"),
        (dict(objects={}, iterations=GRID["iterations"]), "grid.objects must have levels"),
        (dict(objects={"a/b": []}, iterations=GRID["iterations"]), "a/b"),
        (dict(objects={"2": []}, iterations=GRID["iterations"]), "share the levels"),
        (dict(objects={"few": "train.max_iter=2"}, iterations=GRID["iterations"]), "list of key=value"),
        (dict(objects={"few": ["synthetic.object=[1,1]"]}, iterations=GRID["iterations"]), "synthetic"),
        (
            dict(objects={"few": ["train.seed=3"]}, iterations=GRID["iterations"]),
            r"grid.objects\['few'\]: the study sets",
        ),
    ],
)
def test_a_grid_that_cannot_be_used_is_refused(tmp_path, grid, message):
    with pytest.raises(ConfigError, match=message):
        grid_of(tmp_path, grid)


def test_an_unknown_cell_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(ConfigError, match="few/2, few/4, many/2, many/4"):
        grid_of(tmp_path, cells=["some"])


def test_added_seeds_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="seeds='auto' cannot be used with a grid"):
        grid_of(tmp_path, seeds="auto")


def test_the_map_corrects_for_all_cells_also_those_that_have_not_run(tmp_path):
    picture = with_reports(grid_of(tmp_path), {("few", "2"): {"p": 0.01}, ("few", "4"): {"p": 0.02}})
    cells = cells_of(tmp_path)
    assert [(c["outcome"], c["p_corrected"]) for c in cells] == [
        ("better", 0.04),
        ("not distinguishable", 0.08),
        ("not run", None),
        ("not run", None),
    ]
    assert (cells[0]["better"], cells[0]["than"]) == (12.0, 10.0)
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_report_about_runs_of_other_settings_is_no_verdict_on_a_cell(tmp_path):
    grid = grid_of(tmp_path)
    with_reports(grid, {("few", "2"): {"p": 0.01}})
    path = grid.folder(("few", "2")) / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"other_settings": ["focal, seed 0 was trained ..."]}))
    write_map(grid)
    assert cells_of(tmp_path)[0]["outcome"] == "run with other settings"


def test_equivalence_is_corrected_for_all_cells_too(tmp_path):
    reports = {("few", "2"): {"p": 0.6, "p_equivalent": 0.01}, ("few", "4"): {"p": 1e-3, "p_equivalent": 0.02}}
    with_reports(grid_of(tmp_path), reports)
    cells = cells_of(tmp_path)
    assert [(c["outcome"], c["p_equivalent"]) for c in cells[:2]] == [("equivalent", 0.04), ("better", 0.08)]


def test_the_table_of_the_map_has_a_row_per_row_and_says_what_is_missing(tmp_path):
    worse = {"p": 0.001, "difference": -2.0, "flags": ["ce: seed 0 collapsed"]}
    with_reports(grid_of(tmp_path), {("few", "2"): {"p": None}, ("many", "4"): worse})
    text = (tmp_path / "out/map.md").read_text()
    assert "| few | +2.0 (12.0, 10.0), no verdict | not run |" in text
    assert "| many | not run | −2.0 (12.0, 10.0), worse, p = 0.004, flagged: ce: seed 0 collapsed |" in text
    assert "`synthetic.objects=[2,3]`" in text


@pytest.mark.parametrize(
    "facts",
    [
        {"overrides": ["train.max_iter=9"]},
        {"match": ["prior"]},
        {"tuned_by": "tuned.json"},
        {"resample_train": True},
        {"base": "another_config.py"},
        {"variants": {"focal": [], "ce": []}},
        {"variants": {"ce": [CE]}},
    ],
)
def test_a_cell_with_other_settings_does_not_count(tmp_path, facts):
    with_reports(grid_of(tmp_path), {("few", "2"): {"p": 0.001, **facts}})
    assert cells_of(tmp_path)[0]["outcome"] == "run with other settings"


@pytest.mark.parametrize(("asked", "outcome"), [([*ASKED, *ASKED], "better"), ([*ASKED, "more"], "run with other")])
def test_p_of_a_cell_was_corrected_for_the_questions_of_the_file(tmp_path, asked, outcome):
    """A question may stand there twice; a report of the time before another question was added does not count."""
    more = dict(better="focal", than="ce", metric="AP50")
    asked = [more if question == "more" else question for question in asked]
    tiny_study(tmp_path, dict(focal=[], ce=[CE]), grid=GRID, hypotheses=asked)
    grid = load_grid(tmp_path / "study.py")
    cell = report(grid, ("few", "2"), 0.001)
    verdict = cell["verdicts"][0] | {"num_comparisons": 1 if more in asked else 2}
    grid.folder(("few", "2")).mkdir(parents=True)
    (grid.folder(("few", "2")) / "report.json").write_text(json.dumps(cell | {"verdicts": [verdict, verdict]}))
    write_map(grid)
    first = next(iter(json.loads((tmp_path / "out/map.json").read_text())["cells"].values()))[0]
    assert first["outcome"].startswith(outcome)


def test_a_cell_in_which_a_run_lacks_the_metric_has_no_numbers(tmp_path):
    grid, cell = grid_of(tmp_path), ("few", "2")
    content = report(grid, cell, None)
    content["rows"][0]["level"]["AP"]["mean"] = None
    grid.folder(cell).mkdir(parents=True)
    (grid.folder(cell) / "report.json").write_text(json.dumps(content))
    write_map(grid)
    assert (cells_of(tmp_path)[0]["outcome"], cells_of(tmp_path)[0]["difference"]) == ("no verdict", None)


def test_a_grid_that_asks_nothing_is_refused(tmp_path):
    factors = {"loss": {"a": [], "b": [CE]}}
    tiny_study(tmp_path, None, factors=factors, grid=GRID)
    with pytest.raises(ConfigError, match="map of a grid shows hypotheses"):
        load_grid(tmp_path / "study.py")


def test_a_grid_without_any_report_has_a_map_that_says_so(tmp_path):
    grid = grid_of(tmp_path)
    damaged = grid.folder(grid.cells[0])
    damaged.mkdir(parents=True)
    (damaged / "report.json").write_text('{"rows": []}')
    write_map(grid)
    assert {c["outcome"] for c in cells_of(tmp_path)} == {"not run"}


def test_cells_are_trained_one_after_another_and_the_command_goes_on(tmp_path, capsys, unseen_figures):
    ablate_grid(grid_of(tmp_path, cells=["few/2"]), num_images=1)
    first = (tmp_path / "out/few/2/focal/seed0/metrics.json").stat().st_mtime_ns
    ablate_grid(grid_of(tmp_path, cells=["2"]), num_images=1)
    assert (tmp_path / "out/few/2/focal/seed0/metrics.json").stat().st_mtime_ns == first
    assert (tmp_path / "out/many/2/report.html").is_file()
    shown = capsys.readouterr().out
    assert "for 4 comparisons" in shown  # one in each cell
    assert "cell 2 of 2: many/2" in shown
    assert "| many |" in shown


def test_the_phase_diagram_reads():
    grid = load_grid(ROOT / "projects/CrossEntropyVsFocal/phase_diagram.py")
    assert len(grid.cells) == 20
