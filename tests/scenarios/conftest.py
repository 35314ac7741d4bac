"""Fixtures of the scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers on homes under the test's folder, not yet started; stops them in the end."""
    made: list[Server] = []

    def make(name: str = "home", **fields: object) -> Server:
        server = Server(home=tmp_path / name, **fields)  # type: ignore[arg-type]
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
