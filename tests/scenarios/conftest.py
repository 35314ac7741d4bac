"""Fixtures of the scenarios.

What a server records, and whom it tells, is tried on both databases. The commands and the display
are not: they know a server by its answers, which the tests of its edges compare on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


on_both_databases = pytest.mark.parametrize("make_server", ["sqlite", "postgres"], indirect=True)
"""For tests of what a server records: they hold for both."""


@pytest.fixture
def make_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers on homes under the test's folder, not yet started; stops them in the end.

    On SQLite, each of its own; or all of them on one database in PostgreSQL, where that is asked
    for by an indirect parameter.
    """
    made: list[Server] = []
    on_postgres = getattr(request, "param", "sqlite") == "postgres"
    dsn = request.getfixturevalue("postgres_dsn") if on_postgres else ""

    def make(name: str = "home", **fields: object) -> Server:
        server = Server(home=tmp_path / name, dsn=dsn, **fields)  # type: ignore[arg-type]
        made.append(server)
        return server

    yield make
    for server in made:
        if server.process is not None and server.process.poll() is None:
            server.kill()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """A running server with a home of its own."""
    made = make_server()
    made.start()
    return made
