#!/usr/bin/env python
"""Repeat a training step whose loss or gradient was not finite, and name the first value that is not."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("replay")
