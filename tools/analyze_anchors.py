#!/usr/bin/env python
"""Show which objects the anchors of a config can match, the AP that allows, and, with --search, better anchors."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("analyze-anchors")
