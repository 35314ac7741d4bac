"""Stops a server that runs without identity once identity is on for its database.

Whether identity is on is read once, at the start, and decides how the parts are wired. A server
that was wired without it can't ask callers for keys: it stops, and asks after its next start.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from towpath_service.app.stores import has_identity
from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from towpath_service.app.stores import Stores

LOOK_SECONDS: Final = 2.0
MESSAGE: Final = (
    "identity was switched on for this database, and this server runs without it: start it again,"
    " and it asks for keys"
)

_log = logging.getLogger(__name__)


class StopWhenIdentityIsOn:
    """Looks at the database, and stops the server once any process has switched identity on."""

    def __init__(
        self, stores: Stores, stop: asyncio.Event, *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """Assumes that identity is off.

        Args:
            stores: Of the database that says whether identity is on.
            stop: Is set once it is.
            look_seconds: Pause between two looks.
        """
        self._stores = stores
        self._stop = stop
        self._look_seconds = look_seconds
        self._is_on = False

    @property
    def is_on(self) -> bool:
        """Whether identity was found to be on: no further call must be answered."""
        return self._is_on

    async def run(self) -> None:
        """Looks periodically; never returns."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_seconds)

    async def look(self) -> None:
        """Stops the server if identity is on."""
        if self._is_on or not await has_identity(self._stores):
            return
        self._is_on = True
        _log.error("%s. It takes no more calls", MESSAGE)
        self._stop.set()

    def check(self) -> None:
        """Does nothing unless the server was stopped by this.

        Raises:
            ServiceError: IDENTITY_ON, it was.
        """
        if self._is_on:
            raise ServiceError(reason="IDENTITY_ON", message=MESSAGE)
