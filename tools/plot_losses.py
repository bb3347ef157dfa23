#!/usr/bin/env python
"""Plot the losses of configs/common/losses.py over the logit, and figures of the focal loss paper."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("losses")
