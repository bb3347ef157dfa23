#!/usr/bin/env python
"""Simulate studies whose truth is known, and print how often verdicts are wrong; or add study folders to the bank."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("simulate-studies")
