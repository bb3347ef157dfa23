"""The documentation site: `make docs` builds docs/ into output/docs, without network; a warning is an error."""

import hashlib
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

project = "retina_plugin"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "retina_plugin"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme_options = {"source_directory": "docs/"}
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page that is also read on its own begins with its largest heading
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "training, loss"}
napoleon_google_docstring = True

# notebooks: executed once for each state of them and of the package; sliders need a kernel, and are left out
_SOURCES = sorted(path for part in ("retina_plugin", "configs") for path in (ROOT / part).rglob("*.py"))
_STATE = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()[:12]
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "output" / "notebooks" / _STATE)
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # progress bars
nb_merge_streams = True
nb_ipywidgets_js = {}
os.environ.setdefault("RETINA_PLUGIN_CACHE", str(ROOT / "output" / "cache"))

# what files of the repository link to, and the page of this site that shows it
_PAGES = {
    "README": "index",
    "CONTRIBUTING": "contributing",
    "CrossEntropyVsFocal": "projects/losses",
    "on_blood_cells": "projects/losses_on_blood_cells",
    "one_start": "projects/losses_one_start",
    "FPNVariants": "projects/pyramids",
    "AnchorDensity": "projects/anchors",
    "BloodCells": "projects/blood_cells",
    "LabelErrors": "projects/label_errors",
    "projects": "projects/losses",
}


def _page_of(name: str) -> str | None:
    """The page of a file or folder of the repository, by its name without suffix."""
    found = {path.stem: path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").glob("*.md")}
    found |= {path.stem: f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    return _PAGES.get(name) or (str(found[name]) if name in found else None)


def _link_pages(app: Sphinx, doctree: nodes.document) -> None:
    """Let links to files and folders of the repository lead to the page that shows them, or be text without one."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        target = node["reftarget"].partition("#")[0]
        if node.get("reftype") != "myst" and not target.startswith(str(ROOT)):
            continue
        if page := _page_of(Path(target).with_suffix("").name):
            text = nodes.inline("", "", *node.children)
            node.replace_self(make_refnode(app.builder, app.env.docname, page, None, text))
        elif any((ROOT / part / target).exists() for part in ("", "docs", "projects/FPNVariants")):
            node.replace_self(node.children)


def _keep_numbers_together(app: Sphinx, doctree: nodes.document) -> None:
    """Let no line of a table end within "37.7 ± 2.8" or "p = .013"."""
    for entry in doctree.findall(nodes.entry):
        for text in list(entry.findall(nodes.Text)):
            if (joined := re.sub(r" ([±=]) ", "\u00a0\\1\u00a0", text)) != text:
                text.parent.replace(text, nodes.Text(joined))


def _fill_in_errors(app: Sphinx, name: str, source: list[str]) -> None:
    """Write the messages of the source into the page of errors."""
    if name == "errors":
        import error_catalogue

        source[0] = source[0].replace("{{ ERRORS }}", error_catalogue.page())


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _fill_in_errors)
    app.connect("doctree-read", _link_pages)
    app.connect("doctree-read", _keep_numbers_together)
