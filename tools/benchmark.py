#!/usr/bin/env python
"""Measure time and memory of losses, steps, inference, loading and more beside Detectron2's and torchvision's."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("benchmark")
