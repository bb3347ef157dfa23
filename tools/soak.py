#!/usr/bin/env python
"""Kill a training or a study at random moments, go on, and compare it with one that was not killed, bit by bit."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("soak")
