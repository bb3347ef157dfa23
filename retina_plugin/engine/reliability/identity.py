"""Checks that a resumed run has the config and the data that it began with."""

import hashlib
import itertools
from pathlib import Path
from typing import Any

import torch
from detectron2.data import MetadataCatalog
from detectron2.utils import comm
from omegaconf import DictConfig

from ...config import ConfigError
from ...data import dataset_names
from ...printable import few, shown
from .config_values import config_values, differing_values, is_free

_PLACES = (".json_file", ".image_root")  # ends of keys that say where data lie
_MOST_TOLD = 7


class RunIdentity:
    """Part of checkpoints: the config values, data and environment of a run, compared when it is resumed.

    A run with other config values or data is refused. In another environment, such as another machine of a cluster, the
    run goes on, but its weights are no longer bit-identical to those of an uninterrupted run.
    """

    def __init__(self, cfg: DictConfig, data: str, device: str = "cpu") -> None:
        """`data` is the fingerprint of the training data, `device` the device that the run trains on."""
        self._environments = [numeric_environment(device)]
        self._values = {k: v for k, v in config_values(cfg).items() if not is_free(k)}
        self._folder = shown(cfg.train.output_dir)
        self._data, self._test_data, self._accepts = data, _hash_of_test_files(cfg), cfg.train.accept_changes

    def state_dict(self) -> dict[str, Any]:
        """Every config value that affects results, as text by its dotted key, and the fingerprint of the data.

        "test_data" is a hash of the json files of the test data, "" if there are none. "environments" lists the
        environments in which the run has trained, the present one last.
        """
        data = {"data": self._data, "test_data": self._test_data}
        return {"config": self._values, **data, "environments": self._environments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compare this run with the saved state; `inexact` then says how the environments of the run differ.

        Raises:
            ConfigError: naming what has changed, unless train.accept_changes is set.
        """
        if (changes := self.changes(state)) and not self._accepts:
            who = "this run"
            if len(changes) > _MOST_TOLD:
                who = f"{self._folder} seems to hold the run of another config: choose another train.output_dir. It"
            raise ConfigError(
                f"{who} began with other settings: {few([shown(x) for x in changes], _MOST_TOLD, '; ')}. Resume it "
                "with those, or set train.accept_changes=True to continue anyway; the run is then not reproducible"
            )
        now, earlier = self._environments[-1], state.get("environments")
        if isinstance(earlier, list) and earlier and all(isinstance(x, dict) for x in earlier):
            self._environments = earlier if earlier[-1] == now else [*earlier, now]

    @property
    def inexact(self) -> str:
        """Why the weights are not bit-identical to those of an uninterrupted run; empty if no reason is known."""
        pairs = list(itertools.pairwise(self._environments))
        phrases = [
            f"{key} was {before.get(key, 'unknown')}, now {now.get(key, 'unknown')}"
            for before, now in pairs
            for key in {**before, **now}
            if before.get(key) != now.get(key)
        ]
        return "; ".join(dict.fromkeys(phrases))

    def changes(self, state: dict[str, Any]) -> list[str]:
        """What differs, one phrase each. Other paths of data do not count if their fingerprints are known and equal."""
        same_train = self._data and state["data"] == self._data
        same_test = self._test_data and state.get("test_data") == self._test_data
        phrases = [
            f"{key} was {old}, now {new}"
            for key, (old, new) in differing_values(state["config"], self._values).items()
            if not (key.endswith(_PLACES) and (same_train if key.startswith("dataloader.train.") else same_test))
        ]
        if state["data"] != self._data:
            phrases.append("the training data have other images, boxes or labels")
        return phrases


def numeric_environment(device: str) -> dict[str, str]:
    """What the last bits of a training depend on besides its config and data, as text by name.

    Sums on a CPU depend on the number of threads and on the instructions of the CPU; sums over a batch depend on how
    many processes share it.
    """
    on_gpu = device.startswith("cuda")
    return {
        "torch": str(torch.__version__),
        "device": torch.cuda.get_device_name(device) if on_gpu else device,
        "CPU instructions": torch.backends.cpu.get_cpu_capability(),
        "CPU threads": str(torch.get_num_threads()),
        "processes": str(comm.get_world_size()),
    }


def _hash_of_test_files(cfg: DictConfig) -> str:
    files = [Path(MetadataCatalog.get(name).get("json_file", "")) for name in dataset_names(cfg, "test")]
    if not all(file.is_file() for file in files):
        return ""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
