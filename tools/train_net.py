#!/usr/bin/env python
"""Train or evaluate a LazyConfig, with the flags of Detectron2's lazyconfig_train_net.py."""

from retina_plugin.engine.cli import train_net

if __name__ == "__main__":
    train_net()
