#!/usr/bin/env python
"""Train a config, resume a copy of the run from its checkpoint in the middle, and compare everything bit by bit."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("verify-resume")
