#!/usr/bin/env python
"""Find missing, wrong, misplaced and spurious annotations with a detector, and write a repaired copy."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("find-label-errors")
