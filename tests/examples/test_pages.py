from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples.places import Place

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", re.DOTALL)


def programs() -> list[object]:
    """The Python of the documentation, with what it is said to print."""
    pages = sorted((ROOT / "docs").glob("**/*.md"))
    return [
        pytest.param(*block.groups(), id=f"{page.stem}-{number}")
        for page in pages
        for number, block in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), 1)
    ]


@pytest.mark.parametrize(("program", "printed"), programs())
def test_a_program_of_a_page_prints_what_the_page_says(
    tmp_path: Path, program: str, printed: str | None
) -> None:
    script = tmp_path / "program.py"
    script.write_text(program, encoding="utf-8")
    result = Place(root=tmp_path).run(str(script))
    assert (result.returncode, result.stderr) == (0, "")
    assert printed is None or result.stdout == printed
