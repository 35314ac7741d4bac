"""Lets processes of a home find the server that runs on it.

The server writes `server.json` and holds a lock on `server.lock` for as long as it lives. The
operating system releases the lock however the server ends, so a stale file is recognized.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

DATABASE: Final = "towpath.db"
"""Name of the database in a home without a DSN."""
_MOMENT_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddresses:
    """The addresses of a server's ports."""

    grpc: str
    """host:port."""
    web: str
    """Base URL."""

    @property
    def speaks_tls(self) -> bool:
        """Whether both its ports speak TLS."""
        return self.web.startswith("https://")


def find_server(home: Path) -> ServerAddresses | None:
    """Returns the addresses of the server that runs on a home; None if none runs."""
    try:
        content = json.loads((home / "server.json").read_text(encoding="utf-8"))
        addresses = ServerAddresses(grpc=content["grpc"], web=content["web"])
        descriptor = os.open(home / "server.lock", os.O_RDWR | os.O_CLOEXEC)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return addresses
    finally:
        os.close(descriptor)
    return None


@contextmanager
def announce_server(home: Path, grpc_address: str, web_address: str) -> Generator[None]:
    """Announces this server to processes of a home for as long as the context lasts.

    A second server on the same home isn't announced.

    Args:
        home: The Towpath home.
        grpc_address: "host:port" of the gRPC port.
        web_address: Base URL of the web port.
    """
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if _lock_for_life(descriptor):
            written = home / f"server.json.{os.getpid()}"
            content = {"grpc": grpc_address, "web": web_address, "pid": os.getpid()}
            written.write_text(json.dumps(content), encoding="utf-8")
            written.replace(home / "server.json")
        yield
    finally:
        os.close(descriptor)


def _lock_for_life(descriptor: int) -> bool:
    """Takes a server's lock; returns False when another server has it.

    Processes that look for a server share the lock for a moment, which a server waits out.
    """
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(_MOMENT_SECONDS)
