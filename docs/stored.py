"""What the long commands found, kept in docs/results."""

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent


def results(name: str) -> Any:
    """A file of docs/results."""
    return json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8"))
