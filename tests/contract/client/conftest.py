from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from towpath._transport.embedded import open_embedded_transport
from towpath.client import Client
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.embedded import EmbeddedTransport

from tests.contract.client.filling import Producer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._transport.base import Transport


@pytest.fixture(params=["sqlite", "postgres"])
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Transport]:
    """A real service on each database."""
    if request.param == "postgres":
        dsn = request.getfixturevalue("postgres_dsn")
        opening: Transport = EmbeddedTransport(parse_postgres_url(dsn))
    else:
        opening = open_embedded_transport(tmp_path, in_memory=True)
    with closing(opening) as opened:
        yield opened


@pytest.fixture
def client(transport: Transport) -> Client:
    return Client(transport)


@pytest.fixture
def producer(transport: Transport) -> Producer:
    return Producer(transport)
