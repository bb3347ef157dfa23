"""Which torch `make install` takes, seen with commands that only write down how they were called."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPT = ROOT / "tools/install.sh"
CPU = "https://download.pytorch.org/whl/cpu"


def install_arguments(folder: Path, system: str, has_gpu: bool, reachable: bool, **variables: str) -> tuple[str, str]:
    """The arguments of the pip call that installs torch, and what the script printed."""
    python = '#!/bin/sh\necho "$@" >> "$CALLS"\ncase "$2" in *urllib*) exit "$UNREACHABLE" ;; esac\n'
    for name, text in {"venv/bin/python": python, "bin/uname": f"#!/bin/sh\necho '{system}'\n"}.items():
        write_command(folder / name, text)
    if has_gpu:
        write_command(folder / "bin/nvidia-smi", "#!/bin/sh\n")
    calls = folder / "calls"
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHON": str(folder / "venv/bin/python"),
        "VENV": str(folder / "venv"),
        "CALLS": str(calls),
        "UNREACHABLE": str(int(not reachable)),
        **variables,
    }
    result = subprocess.run(["sh", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    return next(line for line in calls.read_text().splitlines() if line.endswith("torch torchvision")), result.stdout


def write_command(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("system", "has_gpu", "reachable", "variables", "index"),
    [
        ("Linux x86_64", False, True, {}, CPU),
        ("Linux x86_64", False, False, {}, None),
        ("Linux x86_64", True, True, {}, None),
        ("Linux aarch64", False, True, {}, None),
        ("Darwin arm64", False, True, {}, None),
        ("Linux x86_64", False, True, {"TORCH_INDEX": ""}, None),
        ("Linux x86_64", True, True, {"TORCH_INDEX": "https://example.com/rocm"}, "https://example.com/rocm"),
    ],
)
def test_torch_without_cuda_where_there_is_no_gpu(tmp_path, system, has_gpu, reachable, variables, index):
    if not has_gpu and any(os.access(f"{folder}/nvidia-smi", os.X_OK) for folder in os.get_exec_path()):
        pytest.skip("this machine has nvidia-smi")
    arguments, printed = install_arguments(tmp_path, system, has_gpu, reachable, **variables)
    assert (f"--extra-index-url {index}" in arguments) if index else ("--extra-index-url" not in arguments)
    assert ("cannot be reached" in printed) == (not reachable)
