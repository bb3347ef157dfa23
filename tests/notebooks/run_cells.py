"""Runs the cells of a notebook in IPython, as a kernel does: run_cells.py NOTEBOOK CODE_AFTER_THE_PARAMETERS.

Without the messages between a kernel and its client, a fork of the tests can do it, which saves the seconds of imports.
"""

import sys

import nbformat
from IPython.core.interactiveshell import InteractiveShell


def main(path: str, more: str) -> int:
    shell = InteractiveShell.instance()
    shell.enable_gui = lambda gui=None: None  # as in a kernel, figures are shown in the notebook
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            is_parameters = "parameters" in cell.metadata.get("tags", [])
            result = shell.run_cell(f"{cell.source}\n{more}" if is_parameters else cell.source)
            if not result.success:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
