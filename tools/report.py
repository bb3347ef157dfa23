#!/usr/bin/env python
"""Write a page about a run: curves, errors, what the doctor says, config."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("report")
