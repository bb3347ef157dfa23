"""Detectron2's own scripts run with the parts and configs of this package.

Found in the installed wheel if it brings them along, otherwise in the clone that DETECTRON2_REPO names.
"""

import os
import sys
import sysconfig
from pathlib import Path

import forked
import pytest
from conftest import QUICK, ROOT, TINY

from retina_plugin.run_folder import read_metrics

CONFIG = ROOT / "configs" / QUICK
# Stands in for psutil, with which benchmark.py prints the memory in use, and restores an argument that
# detectron2.data.benchmark uses and numpy 2.4 removed.
PSUTIL = """
from types import SimpleNamespace
import numpy as np
percentile = np.percentile
np.percentile = lambda a, q, interpolation: percentile(a, q, method=interpolation)
def virtual_memory():
    return SimpleNamespace(total=0, available=0)
"""


def scripts() -> Path:
    """The folder of Detectron2's scripts; skips the test if there is none."""
    places = [Path(sysconfig.get_paths()["purelib"], "tools")]
    if clone := os.environ.get("DETECTRON2_REPO"):
        places.append(Path(clone, "tools"))
    for place in places:
        if (place / "lazyconfig_train_net.py").is_file():
            return place
    pytest.skip("Detectron2's wheel brings no scripts; DETECTRON2_REPO can name the folder of a clone")


def run(script, *argv, cwd):
    command = [sys.executable, str(scripts() / script), *map(str, argv)]
    path = os.pathsep.join([str(cwd), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    done = forked.run(command, cwd=cwd, env=environment)
    assert done.returncode == 0, f"{script} {argv}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def test_lazyconfig_train_net_trains_resumes_and_evaluates(tmp_path):
    argv = ["--config-file", CONFIG, *TINY, f"train.output_dir={tmp_path}/run"]
    run("lazyconfig_train_net.py", *argv, "train.max_iter=2", cwd=tmp_path)
    run("lazyconfig_train_net.py", "--resume", *argv, cwd=tmp_path)
    lines = [m for m in read_metrics(tmp_path / "run") if "loss_cls" in m]
    assert [m["iteration"] for m in lines] == [0, 1, 2, 3]
    weights = f"train.init_checkpoint={tmp_path}/run/model_final.pth"
    assert "AP50" in run("lazyconfig_train_net.py", "--eval-only", *argv, weights, cwd=tmp_path)


def test_analyze_model(tmp_path):
    tasks = ["--tasks", "parameter", "structure", "flop", "activation", "-n", "2"]
    shown = run("analyze_model.py", *tasks, "--config-file", CONFIG, *TINY, cwd=tmp_path)
    assert "Total GFlops" in shown and "head.cls_score" in shown


@pytest.mark.parametrize("task", ["eval", "data_advanced"])
def test_benchmark(tmp_path, task):
    (tmp_path / "psutil.py").write_text(PSUTIL)
    images = "dataloader.test.dataset.names.num_images=6"  # it takes five to warm up
    argv = ["--task", task, "--config-file", CONFIG, *TINY, images]
    run("benchmark.py", *argv, cwd=tmp_path)
