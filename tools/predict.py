#!/usr/bin/env python
"""Detect objects in images with a trained run; writes drawings and a json in COCO's results format."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("predict")
