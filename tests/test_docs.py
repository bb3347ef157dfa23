"""The documentation site has every page, and shows every project."""

import re

from conftest import ROOT

DOCS = ROOT / "docs"


def test_every_page_is_in_the_contents():
    listed = set(re.findall(r"^(?:.+ <)?([\w/]+)>?$", (DOCS / "index.md").read_text(), re.M))
    pages = {str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")}
    pages |= {f"notebooks/{path.stem}" for path in (DOCS / "notebooks").glob("*.ipynb")}
    assert listed == pages - {"index"}


def test_every_project_and_document_is_shown():
    included = set()
    for page in DOCS.rglob("*.md"):
        for name in re.findall(r"```\{include\} (\S+)", page.read_text()):
            assert (page.parent / name).is_file(), f"{page} includes {name}"
            included.add((page.parent / name).resolve())
    assert included == {*ROOT.glob("*.md"), *ROOT.glob("projects/*/*.md")}
