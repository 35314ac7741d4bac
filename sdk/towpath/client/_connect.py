"""Connects clients to the configured server, or to the local database."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from towpath._delivery.takeover import deliver_waiting
from towpath._transport.service import open_transport, server_address
from towpath.client._client import Client
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from towpath._settings.declared import Settings
    from towpath._transport.base import Transport

LOOK_SECONDS: Final = 0.25
_SHARE: Final = 4
"""Pause before the next look, in lengths of the last delivery, so that looking stays cheap."""


@contextmanager
def connect(settings: Settings, *, following: bool = False, own: bool = False) -> Generator[Client]:
    """Connects to the configured server, else to the one on the home, else to the local database.

    Reports that wait in the home's outboxes are delivered to the local database first.

    Args:
        settings: The settings of the process.
        following: Go on delivering the reports of running pipelines until the context ends.
        own: Deliver those of this process, too: others of its runs are to be known.

    Yields:
        A client, which holds until the context ends.

    Raises:
        TowpathError: The local database can't be opened.
    """
    address = server_address(settings)
    with contextlib.closing(open_transport(settings)) as transport:
        if address:
            yield Client(transport, workspace=settings.workspace)
            return
        for warning in deliver_waiting(
            settings.home, transport, include_live=True, own=own
        ).warnings:
            sys.stderr.write(f"towpath: {warning}\n")
        if not following:
            yield Client(transport, workspace=settings.workspace)
            return
        with _taking_in(settings.home, transport, own=own):
            yield Client(transport, workspace=settings.workspace)


@contextmanager
def open_client(settings: Settings, *, anonymous: bool = False) -> Generator[Client]:
    """A client of the service that `connect` finds, which delivers nothing first.

    Args:
        settings: The settings of the process.
        anonymous: Call without a credential.

    Raises:
        TowpathError: The local database can't be opened.
    """
    with contextlib.closing(open_transport(settings, anonymous=anonymous)) as transport:
        yield Client(transport, workspace=settings.workspace)


@contextmanager
def _taking_in(home: Path, transport: Transport, *, own: bool) -> Generator[None]:
    ended = threading.Event()

    def take_in() -> None:
        pause = LOOK_SECONDS
        while not ended.wait(pause):
            began = time.monotonic()
            # Reports that were not delivered now wait in their outbox for the next look.
            with contextlib.suppress(RpcError):
                deliver_waiting(home, transport, include_live=True, own=own)
            pause = max(LOOK_SECONDS, (time.monotonic() - began) * _SHARE)

    thread = threading.Thread(target=take_in, name="towpath-taking-in", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
