from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from towpath._transport.embedded import open_embedded_transport
from towpath.client import Client

from tests.unit.client.filling import Producer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._transport.base import Transport


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[Transport]:
    """A real service on a database in memory."""
    with closing(open_embedded_transport(tmp_path, in_memory=True)) as opened:
        yield opened


@pytest.fixture
def client(transport: Transport) -> Client:
    return Client(transport)


@pytest.fixture
def producer(transport: Transport) -> Producer:
    return Producer(transport)
