"""The announcement of a home's server to its processes."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from towpath._transport import discovery
from towpath._transport.discovery import announce_server, find_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import pytest

ADDRESSES = ("127.0.0.1:4200", "http://127.0.0.1:4201")


@contextmanager
def locked(home: Path, how: int) -> Generator[Any]:
    with (home / "server.lock").open("a") as file:
        fcntl.flock(file, how | fcntl.LOCK_NB)
        yield file


def test_a_server_is_found_for_as_long_as_it_lives(tmp_path: Path) -> None:
    assert find_server(tmp_path) is None
    with announce_server(tmp_path, *ADDRESSES):
        found = find_server(tmp_path)
        assert found is not None
        assert (found.grpc, found.web) == ADDRESSES
    assert find_server(tmp_path) is None


def test_a_server_that_starts_while_somebody_looks_for_one_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(tmp_path, fcntl.LOCK_SH) as looking:
        monkeypatch.setattr(discovery.time, "sleep", lambda _: looking.close())
        with announce_server(tmp_path, *ADDRESSES):
            assert find_server(tmp_path) is not None


def test_a_second_server_of_a_home_is_not_announced(tmp_path: Path) -> None:
    with locked(tmp_path, fcntl.LOCK_EX), announce_server(tmp_path, *ADDRESSES):
        assert not (tmp_path / "server.json").exists()
