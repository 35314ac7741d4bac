"""What docs/observability.md says there is."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
_ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def names_in_table(heading: str) -> set[str]:
    """The first column of the tables below a heading, up to the next one of its rank."""
    text = PAGE.read_text()
    start = text.index(f"\n## {heading}\n")
    end = text.find("\n## ", start + 1)
    return set(_ROW.findall(text[start : end if end > 0 else None]))
