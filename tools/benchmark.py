#!/usr/bin/env python
"""Measure the time of losses, steps, inference, candidates, label assignment and evaluation against Detectron2's."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("benchmark")
