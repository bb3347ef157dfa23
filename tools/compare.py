#!/usr/bin/env python
"""Draw the detections of several runs side by side, with ground truth for images of the test data."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("compare")
