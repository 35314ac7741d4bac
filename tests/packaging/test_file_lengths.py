"""Files short enough to read in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MOST_LINES: Final = 450
FOLDERS: Final = ("sdk", "service", "auth", "protos", "tests", "website", "examples")
GENERATED: Final = {"api", "versions", "node_modules", "gen", "static"}


def _lines(file: Path) -> int:
    return file.read_text(encoding="utf-8").count("\n")


def test_no_file_is_longer_than_can_be_read_in_one_go() -> None:
    files = [
        file
        for folder in FOLDERS
        for kind in ("*.py", "*.ts", "*.tsx")
        for file in (ROOT / folder).rglob(kind)
        if not GENERATED & set(file.relative_to(ROOT).parts)
    ]
    assert len(files) > 1000
    lines_of = {str(file.relative_to(ROOT)): _lines(file) for file in files}
    assert {name: lines for name, lines in lines_of.items() if lines > MOST_LINES} == {}
