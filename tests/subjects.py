"""Which tests a subject needs: `poe test identity` runs those, and `poe test` runs all.

A subject has the tests in folders of its name, below unit/, contract/ or tests/ itself, and those
elsewhere that `pytest.mark.subject` gives to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

TESTS: Final = Path(__file__).parent
EVERYTHING: Final = "all"
# Folders that only gather others.
_GROUPS: Final = {"unit", "contract", "sdk", "service"}


def subjects_of(item: pytest.Item) -> set[str]:
    """The subjects that a test belongs to."""
    folders = set(item.path.parent.relative_to(TESTS).parts) - _GROUPS
    return folders.union(*(mark.args for mark in item.iter_markers("subject")))


def keep_only(subject: str, items: list[pytest.Item], config: pytest.Config) -> None:
    """Takes the tests of other subjects out of a run.

    Raises:
        pytest.UsageError: No test belongs to this subject.
    """
    if subject == EVERYTHING:
        return
    kept = [item for item in items if subject in subjects_of(item)]
    if not kept:
        known = sorted(_all(items))
        raise pytest.UsageError(f"no tests of {subject!r}; subjects are: {', '.join(known)}")
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


def _all(items: Iterable[pytest.Item]) -> set[str]:
    return set().union(*map(subjects_of, items))
