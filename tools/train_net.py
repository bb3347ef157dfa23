#!/usr/bin/env python
"""Train or evaluate a LazyConfig, with the flags of Detectron2's lazyconfig_train_net.py."""

from retina_plugin.commands.train import train

if __name__ == "__main__":
    train()
