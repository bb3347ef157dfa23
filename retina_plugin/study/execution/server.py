"""The process that all others of a study are forked from, so that importing torch takes its seconds once.

This file imports nothing but the standard library: a script can run it before its own imports, which then take place at
the same time.
"""

from __future__ import annotations

import os
from multiprocessing import forkserver

__all__ = ["start_server"]


def start_server() -> None:
    """Start it, if it does not run already; returns before it has imported anything."""
    # threads that wait by spinning take the cores from whatever else runs on the machine
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    forkserver.set_forkserver_preload(["retina_plugin.study.execution.child"])
    forkserver.ensure_running()
