"""Draw the pictures and write the tables of the documents again, from docs/results and from code.

python docs/refresh.py            # make figures
python docs/refresh.py --check    # names what is stale, with exit status 1; a test does the same
"""

import sys
from collections.abc import Iterator

from figures import DOCS, draw_pictures, fingerprints, stored_fingerprint
from tables import ROOT, TABLES, updated


def stale() -> Iterator[str]:
    """What differs from the results and the code that it was made from."""
    for name, wanted in fingerprints().items():
        if stored_fingerprint(DOCS / name) != wanted:
            yield f"docs/{name} shows other data than docs/results and the code: run make figures"
    for table in TABLES:
        text = (ROOT / table.path).read_text(encoding="utf-8")
        pairs = zip(text.splitlines(), updated(table, text).splitlines(), strict=True)
        for was, is_now in [pair for pair in pairs if pair[0] != pair[1]][:1]:
            yield f"{table.path}: {was!r} is {is_now!r} in docs/results: run make figures"


def refresh() -> None:
    """Write everything."""
    draw_pictures()
    for table in TABLES:
        path = ROOT / table.path
        path.write_text(updated(table, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    if "--check" not in sys.argv:
        refresh()
    found = list(stale())
    print("\n".join(found) or f"{len(fingerprints())} pictures and {len(TABLES)} tables are up to date")
    sys.exit(bool(found))
