"""Small studies for tests: runs of seconds whose checkpoints are close together."""

import threading
import time
from pathlib import Path

import torch
from conftest import QUICK, TINY

from retina_plugin.files import write_json
from retina_plugin.study import load_study
from retina_plugin.study.execution.prepare import make_job

CE = "model.cls_loss=${losses.sigmoid_ce}"
_PROFILER = "_target_: detectron2.engine.hooks.TorchProfiler, enable_predicate: null"
HOOK = f"train.hooks=[{{{_PROFILER}, output_dir: '${{train.output_dir}}/profile'}}]"  # writes into the run folder
_SETTINGS = ["train.vis_period=0", "train.log_period=1", "train.checkpointer.period=10"]


def tiny_study(folder, variants, max_iter=24, **settings):
    """A study whose folder is `folder`/out; variants=None for one that has factors."""
    folder.mkdir(exist_ok=True)
    overrides = [*TINY, *_SETTINGS, f"train.max_iter={max_iter}"]
    text = dict(base=QUICK, overrides=overrides, output_dir=f"{folder}/out")
    text |= {"variants": variants} if variants is not None else {}
    (folder / "study.py").write_text(f"study = {text | settings!r}")
    return load_study(folder / "study.py")


def untrained_study(folder, variants):
    """A tiny study with the facts and ends of its runs, but nothing trained."""
    study = tiny_study(folder, variants)
    for variant in study.variants:
        job = make_job(study, variant, 0, 1)
        job.run_dir.mkdir(parents=True)
        write_json(job.run_dir / "facts.json", job.facts)
        write_json(job.run_dir / "result.json", {"digest": "", "error": ""})
    return study


def detections(results):
    """What must not depend on how runs were executed: the final metrics on the test data."""
    return {
        (r.variant, r.seed): {k: str(v) for k, v in r.metrics.items() if k.startswith("bbox/")}
        for r in results  # as text, since one NaN is not another
    }


def assert_same_numbers(results, expected):
    """The same metrics and weights as those of the same runs in `expected`."""
    assert not [r.error for r in results if r.error]
    known = {(r.variant, r.seed): r for r in expected}
    assert detections(results) == detections([known[r.variant, r.seed] for r in results])
    for result in results:
        ours, theirs = (_weights(r) for r in (result, known[result.variant, result.seed]))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def _weights(result):
    return torch.load(f"{result.run_dir}/model_final.pth", weights_only=False)["model"]


def wait_for(condition, seconds=90):
    """Until `condition()` is true; its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return value


def meanwhile(condition, action):
    """Do something as soon as a condition holds, while the test waits elsewhere."""
    thread = threading.Thread(target=lambda: (wait_for(condition), action()))
    thread.start()
    return thread


def iterations(study, variant, seed=0):
    """How far a run is."""
    path = study.run_dir(variant, seed) / "metrics.json"
    return path.read_text().count("\n") if path.is_file() else 0


def trainer_pid(study, variant, seed=0):
    """The process that trains a run."""
    return int(Path(f"{study.run_dir(variant, seed)}.lock").read_text().split()[0])


def is_alive(pid):
    return Path(f"/proc/{pid}").exists() and _status(pid, "State") != "Z (zombie)"


def parent_pid(pid):
    return int(_status(pid, "PPid"))


def _status(pid, key):
    return Path(f"/proc/{pid}/status").read_text().split(f"\n{key}:\t")[1].split("\n")[0]
