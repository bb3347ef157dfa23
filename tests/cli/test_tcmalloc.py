"""A training begins anew with tcmalloc where that is installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retina_cli import tcmalloc
from retina_cli.main import COMMANDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is of Linux")
CODE = """
import os, sys
from retina_cli import tcmalloc
tcmalloc._FOLDERS = (sys.argv[1],)
tcmalloc.use_tcmalloc({arguments})
print(os.environ.get("LD_PRELOAD"), *sys.argv[1:])
print("preloaded" if sys.argv[1] in open("/proc/self/maps").read() else "not preloaded")
"""


@pytest.fixture
def folder(tmp_path):
    """Has a harmless library under the name of tcmalloc."""
    math = re.search(r"/\S*libm\.so\.6|/\S*libm-\S*\.so", Path("/proc/self/maps").read_text())
    shutil.copy(math.group(), tmp_path / "libtcmalloc_minimal.so.4")
    return tmp_path


def printed(folder, arguments="sys.argv[1:]", **environment):
    command = [sys.executable, "-c", CODE.format(arguments=arguments), str(folder), "key=a b"]
    env = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"} | environment
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.splitlines()


def test_the_process_starts_anew_with_the_same_arguments(folder):
    assert printed(folder) == [f"{folder}/libtcmalloc_minimal.so.4 {folder} key=a b", "preloaded"]


def test_no_tcmalloc_is_needed(tmp_path):
    assert printed(tmp_path) == [f"None {tmp_path} key=a b", "not preloaded"]


def test_an_allocator_that_the_user_chose_stays(folder):
    assert printed(folder, LD_PRELOAD="") == [f" {folder} key=a b", "not preloaded"]


def test_a_process_with_other_arguments_goes_on(folder):
    assert printed(folder, "['train', '--config-file', 'x.py']") == [f"None {folder} key=a b", "not preloaded"]


def test_the_newest_version_of_the_minimal_library_is_taken(tmp_path, monkeypatch):
    for name in ("libtcmalloc.so.9", "libtcmalloc_minimal.so.4", "libtcmalloc_minimal.so.4.5.10"):
        (tmp_path / name).touch()
    monkeypatch.setattr(tcmalloc, "_FOLDERS", (f"{tmp_path}/none", str(tmp_path)))
    assert tcmalloc.find_tcmalloc() == f"{tmp_path}/libtcmalloc_minimal.so.4.5.10"


def test_commands_that_train_use_it():
    training = {name for name, command in COMMANDS.items() if command.trains}
    assert training == {"train", "verify-resume", "soak", "ablate", "tune"}
