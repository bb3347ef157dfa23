"""Experiment trackers, with stand-ins for their libraries."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from detectron2.engine import hooks
from detectron2.utils.events import EventStorage
from omegaconf import OmegaConf

from retina_plugin.config import ConfigError
from retina_plugin.engine.hooks.metrics_state import MetricsState
from retina_plugin.engine.trackers import build_trackers

CONFIG = {"model": {"num_classes": 3, "loss": "${losses.focal}"}, "train": {"seed": 0}}


class Server:
    """What W&B and MLflow keep, by the calls that they document; `down` makes logging fail."""

    def __init__(self):
        self.runs, self.down = {}, False

    # wandb
    def init(self, *, id, resume, **arguments):
        assert resume == "allow"
        self.runs.setdefault(id or "w1", {"scalars": {}, "finished": 0, **arguments})
        return SimpleNamespace(id=id or "w1", step=self._next(id), log=self.log, finish=self.finish)

    def _next(self, id):
        return max(self.runs.get(id, {}).get("scalars", {-1: 0}), default=-1) + 1

    def log(self, scalars, step):
        if self.down:
            raise ConnectionError("no route to host")
        assert step not in self.runs["w1"]["scalars"], "W&B takes a step once"
        self.runs["w1"]["scalars"][step] = scalars

    def finish(self):
        if self.down:
            raise ConnectionError("no route to host")
        self.runs["w1"]["finished"] += 1


class Client:
    """MLflow's client."""

    server: dict

    def __init__(self, tracking_uri):
        self.uri = tracking_uri

    def get_experiment_by_name(self, name):
        return None if name != "there" else SimpleNamespace(experiment_id="7")

    def create_experiment(self, name):
        return f"new {name}"

    def create_run(self, experiment_id, run_name):
        run = {"uri": self.uri, "experiment": experiment_id, "name": run_name, "status": "RUNNING"}
        self.server["m1"] = run | {"metrics": [], "params": []}
        return SimpleNamespace(info=SimpleNamespace(run_id="m1"))

    def get_run(self, run_id):
        metrics = {metric[0]: metric[1] for metric in self.server[run_id]["metrics"]}
        return SimpleNamespace(data=SimpleNamespace(metrics=metrics))

    def get_metric_history(self, run_id, key):
        metrics = [m for m in self.server[run_id]["metrics"] if m[0] == key]
        return [SimpleNamespace(step=step) for _, _, _, step in metrics]

    def log_batch(self, run_id, metrics=(), params=()):
        assert len(params) <= 100, "MLflow takes a hundred at a time"
        self.server[run_id]["metrics"] += metrics
        self.server[run_id]["params"] += params

    def update_run(self, run_id, status):
        self.server[run_id]["status"] = status

    def set_terminated(self, run_id):
        self.server[run_id]["status"] = "FINISHED"


@pytest.fixture
def wandb(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", server := Server())
    return server


@pytest.fixture
def mlflow(monkeypatch):
    Client.server = {}
    entities = SimpleNamespace(Metric=lambda *m: m, Param=lambda *p: p)
    module = SimpleNamespace(MlflowClient=Client, entities=entities)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return Client.server


def trackers(run_dir, config=CONFIG, **train):
    run_dir.mkdir(exist_ok=True)
    return build_trackers(OmegaConf.create(train), run_dir, config)


def train(writers, first, last):
    """What the hooks for writers do in a training from iteration `first` until `last`, with a period of 2."""
    hook, state = hooks.PeriodicWriter(writers, period=2), MetricsState(Path("nothing"), writers)
    state.load_state_dict({"last_write": first - 1} if first else {})
    with EventStorage(first) as storage:
        hook.trainer = state.trainer = SimpleNamespace(storage=storage, max_iter=10)
        state.before_train()
        for iteration in range(first, last):
            storage.iter = hook.trainer.iter = iteration
            storage.put_scalar("total_loss", 10 - iteration)
            if iteration == 3:
                storage.put_scalar("bbox/AP-a (b)", 50.0, smoothing_hint=False)
            hook.after_step()
        hook.after_train()


def test_wandb_gets_every_scalar_once_over_a_resume(wandb, tmp_path):
    wanted = {"project": "cells", "name": "mine"}
    train(trackers(tmp_path / "run", wandb=wanted), 0, 6)
    train(trackers(tmp_path / "run", wandb=wanted), 4, 10)  # from an earlier checkpoint
    (run,) = wandb.runs.values()
    assert list(run["scalars"]) == [1, 3, 5, 7, 9]
    assert run["scalars"][3] == {"total_loss": 8.5, "bbox/AP-a (b)": 50.0}  # a median, and as it is
    assert (run["project"], run["name"], run["dir"]) == ("cells", "mine", str(tmp_path / "run"))
    assert run["config"] == {"run_dir": str(tmp_path / "run"), **CONFIG}
    assert run["finished"] == 2


def test_mlflow_gets_every_scalar_once_over_a_resume(mlflow, tmp_path):
    wanted = {"experiment_name": "cells", "tracking_uri": "sqlite:///x.db"}
    for first, last in [(0, 6), (4, 10)]:
        writers = trackers(tmp_path / "run", wandb=None, mlflow=wanted)
        assert mlflow["m1"]["status"] == "RUNNING"
        train(writers, first, last)
        assert mlflow["m1"]["status"] == "FINISHED"
    run = mlflow["m1"]
    losses = {step: value for name, value, _, step in run["metrics"] if name == "total_loss"}
    assert list(losses) == [1, 3, 5, 7, 9]
    assert len(run["metrics"]) == 6
    assert losses[3] == 8.5
    assert ("bbox/AP-a _b_", 50.0) in [metric[:2] for metric in run["metrics"]]
    assert (run["uri"], run["experiment"], run["name"]) == ("sqlite:///x.db", "new cells", "run")
    assert dict(run["params"]) == {
        "run_dir": str(tmp_path / "run"),
        "model.num_classes": "3",
        "model.loss": "${losses.focal}",
        "train.seed": "0",
    }


def test_mlflow_takes_a_large_config_and_an_experiment_that_is_there(mlflow, tmp_path):
    config = {f"key{i}": "x" * 1000 for i in range(250)}
    trackers(tmp_path / "run", config, mlflow={"experiment_name": "there"})
    assert mlflow["m1"]["experiment"] == "7"
    assert len(mlflow["m1"]["params"]) == 251
    assert max(len(value) for _, value in mlflow["m1"]["params"]) == 500


def test_a_server_that_is_down_does_not_stop_training_and_loses_nothing(wandb, tmp_path, caplog):
    (writer,) = trackers(tmp_path / "run", wandb={})
    with EventStorage() as storage:
        storage.put_scalar("total_loss", 1.0)
        wandb.down = True
        writer.write()
        wandb.down = False
        storage.iter = 1
        storage.put_scalar("bbox/AP", 50.0)
        writer.write()
    wandb.down = True
    writer.close()
    assert "WandbWriter gets no scalars: no route to host" in caplog.text
    assert "WandbWriter cannot end its run: no route to host" in caplog.text
    assert wandb.runs["w1"]["scalars"] == {0: {"total_loss": 1.0}, 1: {"bbox/AP": 50.0}}


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_library_that_is_not_there_is_named(monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=f"train.{name} needs .*: pip install {name}"):
        trackers(tmp_path / "run", **{name: {}})
    assert trackers(tmp_path / "run") == trackers(tmp_path / "run", **{name: None}) == []


def test_arguments_that_the_library_refuses_are_named(mlflow, tmp_path):
    with pytest.raises(ConfigError, match=r"train.mlflow=\{'colour': 1\} cannot be used: .*colour"):
        trackers(tmp_path / "run", mlflow={"colour": 1})
    with pytest.raises(ConfigError, match=r"train.mlflow=here must be a mapping of arguments, or null"):
        trackers(tmp_path / "run", mlflow="here")
