#!/usr/bin/env python
"""Draw the training data of a config as annotated, or as the model gets them."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("data")
