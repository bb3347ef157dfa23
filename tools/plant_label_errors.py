#!/usr/bin/env python
"""Plant faults in a copy of a COCO json, or count how many of them find_label_errors.py has found."""

from retina_cli.main import run_tool

if __name__ == "__main__":
    run_tool("plant-label-errors")
