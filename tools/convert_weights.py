#!/usr/bin/env python
"""Write only the weights of a checkpoint to a .safetensors or .pth file."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("convert")
