"""Programs that moved from Prefect: each name that means the same is in a test here."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def moves(*names: str) -> Callable[[T], T]:
    """Marks the test of names of the table in docs/coming-from-prefect.md."""
    del names
    return lambda test: test
