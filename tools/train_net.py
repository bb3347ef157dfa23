#!/usr/bin/env python
"""Train or evaluate a LazyConfig, with the flags of Detectron2's lazyconfig_train_net.py."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("train")
