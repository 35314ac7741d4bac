"""A server that asks nobody who they are, and what ends it.

Whether identity is on is read once, at the start, and decides how the parts are put together. A
server that was open then doesn't learn to ask: it stops, and asks when it is started again.
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
    "identity was switched on for this database, and this server asked nobody who they are: start"
    " it again, and it asks"
)

_log = logging.getLogger(__name__)


class Openness:
    """Lets a server be open to everybody until identity is switched on, by whatever process."""

    def __init__(
        self, stores: Stores, stop: asyncio.Event, *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """Takes it for open.

        Args:
            stores: Of the database that says whether identity is on.
            stop: Is set when it is.
            look_seconds: Pause between two looks.
        """
        self._stores = stores
        self._stop = stop
        self._look_seconds = look_seconds
        self._over = False

    async def run(self) -> None:
        """Looks again and again; never returns."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_seconds)

    async def look(self) -> None:
        """Has the server stop when identity is on."""
        if self._over or not await has_identity(self._stores):
            return
        self._over = True
        _log.error("%s. It takes no more calls", MESSAGE)
        self._stop.set()

    def check(self) -> None:
        """Tells why the server has stopped, if it was for this.

        Raises:
            ServiceError: IDENTITY_ON.
        """
        if self._over:
            raise ServiceError(reason="IDENTITY_ON", message=MESSAGE)
