"""Hands directives to the producers whose streams are open here.

Directives are rows: a stream gets those of its producer when it opens, and later ones as they are
found. Nothing is lost when a stream breaks or a replica stops. A directive is handed out until the
reports of the producer show that it was followed, once on each stream.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from towpath_service.core.bus import Topic
from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.runs.ports.directives import Directive, DirectiveSource
    from towpath_service.runs.ports.ingest import ProducerKey

POLL_SECONDS: Final = 5.0
"""Longest time until a directive is found whose notice was lost."""

_log = logging.getLogger(__name__)


class Inbox:
    """The directives of one producer that its stream hasn't sent yet."""

    def __init__(self) -> None:
        self.filled = asyncio.Event()
        """Set while there is something to take."""
        self._waiting: list[Directive] = []
        self._seen: dict[str, int] = {}

    def put(self, directive: Directive) -> None:
        """Adds a directive, unless this or a later one of the run was added before."""
        if self._seen.get(directive.run_id, -1) < directive.revision:
            self._seen[directive.run_id] = directive.revision
            self._waiting.append(directive)
            self.filled.set()

    def take(self) -> list[Directive]:
        """Empties the inbox."""
        taken, self._waiting = self._waiting, []
        self.filled.clear()
        return taken


class Directives:
    """The directives of all producers, as last read."""

    def __init__(self, source: DirectiveSource, bus: Bus) -> None:
        self._source = source
        self._bus = bus
        self._known: Sequence[Directive] = ()
        self._inboxes: dict[ProducerKey, Inbox] = {}
        self._asked = asyncio.Event()

    @contextmanager
    def inbox(self, key: ProducerKey) -> Generator[Inbox]:
        """Receives the directives of a producer for as long as its stream is open here.

        A later stream of the same producer takes over.
        """
        inbox = self._inboxes[key] = Inbox()
        # What the last read found may be old: the stream looks anew.
        self._asked.set()
        try:
            with self._bus.waking(self._asked, Topic("directives", *key)):
                yield inbox
        finally:
            if self._inboxes.get(key) is inbox:
                del self._inboxes[key]

    def of(self, key: ProducerKey) -> list[Directive]:
        """The directives of a producer, as last read."""
        return [item for item in self._known if item.producer == key]

    async def run(self) -> None:
        """Reads the directives periodically, and when there are new ones; never returns."""
        while True:
            self._asked.clear()
            try:
                await self.look()
            except ServiceError as error:
                _log.warning("directives could not be read: %s", error)
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Reads the directives, and puts them into the inboxes of their producers."""
        self._known = await self._source()
        for directive in self._known:
            inbox = self._inboxes.get(directive.producer)
            if inbox is not None:
                inbox.put(directive)


async def no_directives() -> Sequence[Directive]:
    """The directives of a service without any."""
    return ()
