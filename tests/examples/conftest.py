"""Fixtures of the examples' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples.places import Place
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["alone", "with a server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place without a server, and one with a server on its home."""
    made = Place(root=tmp_path)
    made.home.mkdir()
    if request.param == "alone":
        yield made
        return
    server = Server(home=made.home)
    server.start()
    yield made
    server.stop()
