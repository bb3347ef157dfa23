#!/usr/bin/env python
"""Tune every variant of a study with the same number of trials, on data that its test never sees."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("tune")
