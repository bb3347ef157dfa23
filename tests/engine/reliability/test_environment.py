"""What exactness depends on besides config and data: told and recorded when it changes, and no reason to stop."""

import shutil
import subprocess
import sys

import pytest
import torch
from conftest import train_args

from retina_plugin.engine import main
from retina_plugin.engine.hooks.memory_usage import peak_memory_mb
from retina_plugin.engine.reliability import identity
from retina_plugin.engine.reliability.identity import RunIdentity, numeric_environment
from retina_plugin.engine.reliability.verify import first_difference

HALF = "model_0000001.pth"


@pytest.fixture
def stopped(trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    for path in run.glob("model_*.pth"):
        if path.name != HALF:
            path.unlink()
    return run


def recorded(path):
    return torch.load(path, weights_only=True)["run"]["environments"]


def test_another_number_of_threads_is_told_and_recorded(stopped):
    torch.set_num_threads(2)
    try:
        main(train_args(stopped, resume=True))
    finally:
        torch.set_num_threads(1)
    log = (stopped / "log.txt").read_text()
    assert "This run is not bit-identical to one without interruption: CPU threads was 1, now 2\n" in log
    threads = [environment["CPU threads"] for environment in recorded(stopped / "model_final.pth")]
    assert threads == ["1", "2"]


def test_the_same_environment_is_not_told(trained_run, stopped):
    main(train_args(stopped, resume=True))
    assert "bit-identical" not in (stopped / "log.txt").read_text()
    assert len(recorded(stopped / "model_final.pth")) == 1
    assert first_difference(trained_run, stopped) == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [("torch", "2.0.0"), ("device", "NVIDIA X"), ("CPU instructions", "DEFAULT"), ("processes", "2")],
)
def test_any_part_counts_and_earlier_changes_are_remembered(key, value, tiny_cfg):
    now = RunIdentity(tiny_cfg(), "data")
    state = now.state_dict()
    before = state | {"environments": [state["environments"][0] | {key: value}]}
    now.load_state_dict(before)
    assert now.inexact == f"{key} was {value}, now {state['environments'][0][key]}"
    again = RunIdentity(tiny_cfg(), "data")
    again.load_state_dict(now.state_dict())
    assert again.inexact == now.inexact and len(again.state_dict()["environments"]) == 2


def test_a_checkpoint_without_the_entry_says_nothing(tiny_cfg):
    now = RunIdentity(tiny_cfg(), "data")
    state = now.state_dict()
    del state["environments"]
    now.load_state_dict(state)
    assert now.inexact == "" and len(now.state_dict()["environments"]) == 1


@pytest.mark.parametrize("damaged", [[], None, 3, [3], ["x"]])
def test_an_entry_that_makes_no_sense_is_no_entry(damaged, tiny_cfg):
    now = RunIdentity(tiny_cfg(), "data")
    now.load_state_dict(now.state_dict() | {"environments": damaged})
    assert now.inexact == ""


def test_a_gpu_counts_by_its_name(monkeypatch):
    monkeypatch.setattr(identity.torch.cuda, "get_device_name", {"cuda:0": "NVIDIA Y", "cuda:1": "NVIDIA X"}.get)
    assert numeric_environment("cuda:1")["device"] == "NVIDIA X" and numeric_environment("cpu")["device"] == "cpu"


def test_memory_is_that_of_the_device(monkeypatch):
    taken = {torch.device("cuda:0"): 0, torch.device("cuda:1"): 3 * 2**20}
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", taken.get)
    assert peak_memory_mb(torch.device("cuda:1")) == 3
    assert peak_memory_mb(torch.device("cpu")) > 100


def test_memory_is_known_where_the_kernel_states_no_peak(monkeypatch):
    monkeypatch.setattr("pathlib.Path.read_text", lambda path: "VmSize:\t 100 kB\nVmRSS:\t 50 kB\n")  # gVisor
    assert peak_memory_mb(torch.device("cpu")) > 100


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of getrusage")
def test_memory_is_that_of_the_run_not_of_the_process_that_started_it():
    child = (
        "import torch\n"
        "from retina_plugin.engine.hooks.memory_usage import peak_memory_mb\n"
        "print(peak_memory_mb(torch.device('cpu')))"
    )
    parent = (
        f"import subprocess, sys\nlarge = b'1' * 2**31\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", parent], capture_output=True, text=True, check=True)
    assert 100 < float(done.stdout) < 2000
