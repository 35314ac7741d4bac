"""Fixtures of the edges' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.rpc.edges import Edge, open_edge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath_service.database.postgres_url import PostgresUrl


@pytest.fixture(scope="module")
def edge(database: PostgresUrl | None) -> Iterator[Edge]:
    """The real service, on each database, behind both ports."""
    with open_edge(database) as opened:
        yield opened
