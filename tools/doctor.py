#!/usr/bin/env python
"""Say what is wrong with a config, its data or a finished run, and what to do; status 1 for errors and warnings."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("doctor")
