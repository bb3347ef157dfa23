#!/usr/bin/env python
"""Show what costs a run AP: errors by type, class and size, and the anchors behind them; or compare variants."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("analyze-errors")
