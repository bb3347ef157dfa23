"""The notebooks: what is committed, and that they run with everything small, from any folder."""

import os
import sys

import forked
import nbformat
import pytest
from conftest import ROOT

from retina_plugin.analysis.anchors import search

NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
RUN_CELLS = ROOT / "tests" / "notebooks" / "run_cells.py"
TINY_NET = [
    "model.backbone.bottom_up.name=tiny_net",
    "model.backbone.bottom_up.weights=null",
    "model.backbone.bottom_up.norm=BN",
    "model.backbone.out_channels=16",
    "model.head.conv_dims=[16]",
    "dataloader.train.total_batch_size=2",
]
SMALL = {
    "cross_entropy_focal_loss_prior": f"ITERATIONS, TRAIN_IMAGES, TEST_IMAGES, MORE = 3, 12, 4, {TINY_NET}",
    "your_own_data": f"ITERATIONS, SHORT_EDGE, TRAIN_IMAGES, VAL_IMAGES, MORE = 3, 96, 12, 4, {TINY_NET}",
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "_GENERATIONS", 2)
    env = os.environ | {"TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path / "home")}
    (tmp_path / "temporary").mkdir()
    (tmp_path / "elsewhere").mkdir()
    done = forked.run([sys.executable, RUN_CELLS, path, SMALL[path.stem]], cwd=tmp_path / "elsewhere", env=env)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and not any(cell.outputs or cell.execution_count for cell in code)
    assert "widgets" not in notebook.metadata


def test_every_notebook_is_tried():
    assert {path.stem for path in NOTEBOOKS} == set(SMALL)
