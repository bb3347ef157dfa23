"""Pictures and tables of the documents are those of docs/results and of the code."""

import json
import re
import shutil
import sys

import pytest
import torch
from conftest import ROOT
from detectron2.structures import Boxes, pairwise_iou

from retina_plugin.modeling import OctaveAnchorGenerator

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def refresh():
    sys.path.insert(0, str(DOCS))
    import refresh

    yield refresh
    sys.path.remove(str(DOCS))


def test_nothing_is_stale(refresh):
    assert list(refresh.stale()) == []


def test_every_picture_of_the_documents_can_be_drawn_again(refresh):
    import figures

    texts = [path.read_text() for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("projects/*/*.md")]]
    shown = {name.rpartition("/")[2] for text in texts for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)}
    assert shown == {*figures.PICTURES, "demo.jpg"}


def test_a_changed_result_makes_a_picture_stale(refresh, tmp_path, monkeypatch):
    import figures
    import stored

    drawn = {name: draw for name, draw in figures.PICTURES.items() if name.endswith(".png")}
    monkeypatch.setattr(figures, "PICTURES", drawn)
    before = figures.fingerprints()
    shutil.copytree(DOCS / "results", tmp_path / "results")
    path = tmp_path / "results" / "demo_image.json"
    content = json.loads(path.read_text())
    content["found"]["ce"] = []
    path.write_text(json.dumps(content))
    path = tmp_path / "results" / "phase_diagram.json"
    path.write_text(path.read_text().replace("28.8", "28.9"))
    monkeypatch.setattr(stored, "DOCS", tmp_path)
    after = figures.fingerprints()
    assert {name for name in after if after[name] != before[name]} == {"demo.jpg", "phase_diagram.png"}


def test_a_changed_row_is_found_and_a_lost_table_named(refresh):
    from tables import TABLES, updated

    table = next(table for table in TABLES if table.header.startswith("| variant | start |"))
    text = (ROOT / table.path).read_text()
    changed = text.replace("| ce_01 | .01 | 12.4 |", "| ce_01 | .01 | 13.4 |")
    assert changed != text and updated(table, changed) == text
    with pytest.raises(ValueError, match="has no table"):
        updated(table, text.replace("| variant | start |", "| variant | begin |"))


def test_a_last_newline_makes_nothing_stale(refresh, tmp_path, monkeypatch):
    from tables import Table

    (tmp_path / "x.md").write_text("| a |\n|---|\n| 1 |")
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    for rows, found in (([["1"]], 0), ([["2"]], 1)):
        monkeypatch.setattr(refresh, "TABLES", [Table("x.md", "| a |", lambda rows=rows: rows)])
        monkeypatch.setattr(refresh, "fingerprints", dict)
        assert len(list(refresh.stale())) == found


def test_the_best_anchor_of_an_object_is_the_one_of_pairwise_iou(refresh):
    import anchor_sizes

    strides = [8, 16, 32]
    generator = OctaveAnchorGenerator(strides=strides)
    anchors = Boxes.cat(generator([torch.zeros(1, 1, 96 // s, 96 // s) for s in strides]))
    centres = 32 + (torch.cartesian_prod(torch.arange(64), torch.arange(64)) + 0.5) / 2
    for side in (10, 20, 50, 90):
        boxes = Boxes(torch.cat([centres - side / 2, centres + side / 2], dim=1))
        expected = pairwise_iou(boxes, anchors).amax(dim=1).mean().item()
        assert anchor_sizes.mean_best_iou(side, strides, 4.0) == pytest.approx(expected, abs=1e-5)
