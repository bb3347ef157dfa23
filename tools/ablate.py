#!/usr/bin/env python
"""Train the variants of a study over its seeds, each run in a process of its own, and write one report."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("ablate")
