#!/usr/bin/env python
"""Show who holds the loss of a trained detector: figure 4 of the focal loss paper, and the hardest background.

Writes imbalance.html, imbalance.json and figure4.png, and prints what they say.
"""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("analyze-imbalance")
