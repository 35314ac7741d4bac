"""Which tests a subject needs: `poe test identity` runs those, and `poe test` runs all.

A subject has the tests in folders of its name, below unit/, contract/ or tests/ itself, and the
files elsewhere whose `pytestmark` is `pytest.mark.subject` with its name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
# Folders that only gather others.
_GROUPS: Final = {"unit", "contract", "sdk", "service"}
_MARK: Final = re.compile(r"^pytestmark = [^=]*?mark\.subject\(([^)]*)\)", re.MULTILINE)
_NAME: Final = re.compile(r'"(\w+)"')


def subjects_of(file: Path) -> set[str]:
    """The subjects that need the tests of a file; it isn't imported for this."""
    folders = set(file.parent.relative_to(TESTS).parts) - _GROUPS
    mark = _MARK.search(file.read_text(encoding="utf-8"))
    return folders | set(_NAME.findall(mark[1]) if mark else ())


def all_subjects() -> set[str]:
    """The subjects that have tests."""
    return set().union(*map(subjects_of, TESTS.rglob("test_*.py")))
