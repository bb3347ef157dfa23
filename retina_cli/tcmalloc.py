"""Run a training with tcmalloc, which needs less memory than glibc's malloc where image sizes vary."""

import glob
import os
import platform
import sys
from collections.abc import Sequence

_FOLDERS = (f"{sys.prefix}/lib", f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/lib64", "/usr/local/lib")
_FILES = ("libtcmalloc_minimal.so.*", "libtcmalloc.so.*")
_QUIET = {"TCMALLOC_LARGE_ALLOC_REPORT_THRESHOLD": str(2**60)}  # else it reports each block above 1 GB


def find_tcmalloc() -> str | None:
    """The path of an installed tcmalloc: of gperftools in a conda environment, or of a Linux distribution."""
    found = (sorted(glob.glob(f"{folder}/{file}")) for folder in _FOLDERS for file in _FILES)
    return next((paths[-1] for paths in found if paths), None)


def use_tcmalloc(argv: Sequence[str]) -> None:
    """Start this process anew with tcmalloc, if that is installed and LD_PRELOAD is not set; its children inherit it.

    An allocator cannot be exchanged in a process that runs. `LD_PRELOAD= retina train ...`, set to nothing, keeps the
    allocator of the system.

    Args:
        argv: the arguments of the command. Nothing happens in a process that has other arguments, such as a test.
    """
    is_command = list(argv) == sys.orig_argv[-len(argv) :]
    if not is_command or sys.platform != "linux" or "LD_PRELOAD" in os.environ or not (path := find_tcmalloc()):
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], _QUIET | os.environ | {"LD_PRELOAD": path})
