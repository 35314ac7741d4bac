"""Fixtures of the edges' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.rpc.edges import Edge, open_edge

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    """The real service, on a database in memory, behind both ports."""
    with open_edge() as opened:
        yield opened
