"""Scalars to MLflow."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...config.walk import leaves
from ...files import write_text
from .tracker import Tracker, known_id, library

_PARAMETERS_AT_ONCE = 100  # MLflow's limit
_PARAMETER_LENGTH = 500


class MLflowWriter(Tracker):
    """Scalars to a run of MLflow."""

    def __init__(
        self,
        run_dir: Path,
        config: Mapping[str, Any],
        experiment_name: str = "Default",
        tracking_uri: str | None = None,
    ) -> None:
        """`tracking_uri`: address of a server or database; by default the one of MLflow's own settings."""
        mlflow, known = library("mlflow"), run_dir / "mlflow_run_id"
        self._entities = mlflow.entities
        self._client = mlflow.MlflowClient(tracking_uri)
        if run_id := known_id(known):
            self._run_id = run_id
            self._client.update_run(run_id, status="RUNNING")
            names = self._client.get_run(run_id).data.metrics
            sent = (metric for name in names for metric in self._client.get_metric_history(run_id, name))
            self._last_write = max((metric.step for metric in sent), default=-1)
        else:
            self._run_id = self._create_run(experiment_name, run_dir.name)
            write_text(known, self._run_id)
            self._log_parameters({"run_dir": str(run_dir), **config})

    def _create_run(self, experiment_name: str, run_name: str) -> str:
        found = self._client.get_experiment_by_name(experiment_name)
        experiment_id = self._client.create_experiment(experiment_name) if found is None else found.experiment_id
        return self._client.create_run(experiment_id, run_name=run_name).info.run_id

    def _log_parameters(self, config: Mapping[str, Any]) -> None:
        parameters = [self._entities.Param(_name(key), str(value)[:_PARAMETER_LENGTH]) for key, value in leaves(config)]
        for start in range(0, len(parameters), _PARAMETERS_AT_ONCE):
            self._client.log_batch(self._run_id, params=parameters[start : start + _PARAMETERS_AT_ONCE])

    def _send(self, scalars: dict[str, float], iteration: int) -> None:
        now = int(time.time() * 1000)
        metrics = [self._entities.Metric(_name(key), value, now, iteration) for key, value in scalars.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def _finish(self) -> None:
        self._client.set_terminated(self._run_id)


def _name(key: str) -> str:
    """Replace characters that MLflow does not accept in names; class names may contain them."""
    return re.sub(r"[^\w\-. :/]", "_", key)
