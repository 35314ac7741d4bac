"""The list and watch of one resource: a view of its objects that misses nothing.

After a list, changes come from the version of that list on. A watch that breaks goes on from the
last version seen. When that version is too old (410, as an event or as an answer), all is listed
again, and what is missing then is told as gone. Every so often all is listed in any case.

Invariants, each of which a test names:
  - each object that is gone from the server is told as gone, also when that happened in a gap;
  - an object that a list or a watch repeats is told again, so its reader goes by its state alone;
  - no answer of the server ends the loop, and no two calls follow each other without a pause.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath._work.kinds.kubernetes.cluster import GONE, ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towpath._work.kinds.kubernetes.cluster import Cluster, Object, Resource

BOOKMARK: Final = "BOOKMARK"
DELETED: Final = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Pauses between calls, in seconds.

    Attributes:
        first: The pause after a first failure.
        most: The longest pause; each is twice the one before.
        relist: Time between two lists.
    """

    first: float = 0.2
    most: float = 10.0
    relist: float = 60.0

    def after(self, failures: int, asked: float | None = None) -> float:
        """Returns the pause after failures in a row, with jitter.

        Args:
            failures: Number of failures, from 1.
            asked: The pause that the server asks for; None for none.
        """
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, 10))
        own = longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        return own if asked is None else max(own, asked)


class View:
    """The objects of a resource that a selector finds, kept up to date by a loop."""

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        labels: str,
        *,
        on_change: Callable[[Object, bool], object],
        on_error: Callable[[ClusterError], object],
        pace: Pace,
    ) -> None:
        """Knows no object yet.

        Args:
            cluster: The cluster.
            resource: The resource.
            labels: The selector.
            on_change: Called with an object, and whether it is gone.
            on_error: Called with each error of the server.
            pace: The pauses between calls.
        """
        self._cluster = cluster
        self._resource: Resource = resource
        self._labels = labels
        self._on_change = on_change
        self._on_error = on_error
        self._pace = pace
        self._objects: dict[str, Object] = {}
        self._failures = 0
        self.listed = asyncio.Event()
        """Set once all objects have been listed."""

    async def run(self) -> None:
        """Keeps the view up to date until it is cancelled."""
        while True:
            try:
                listed = await self._cluster.list(self._resource, self._labels)
                self._replace(listed.items)
                self.listed.set()
                await self._follow(listed.version)
            except ClusterError as error:
                await self._failed(error)

    async def _follow(self, version: str) -> None:
        """Takes changes until it is time to list again, or the version is too old."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._pace.relist
        while (left := until - loop.time()) > 0:
            begun = loop.time()
            try:
                timeout = max(1, int(left))
                changes = self._cluster.watch(self._resource, self._labels, version, timeout)
                async for kind, item in changes:
                    self._failures = 0
                    version = str(item["metadata"]["resourceVersion"])
                    if kind != BOOKMARK:
                        self._take(item, gone=kind == DELETED)
            except ClusterError as error:
                if error.code == GONE:
                    self._failures += 1
                    await asyncio.sleep(self._pace.after(self._failures))
                    return
                await self._failed(error)
            else:
                self._failures = 0
                if loop.time() - begun < self._pace.first:
                    await asyncio.sleep(self._pace.first)

    async def _failed(self, error: ClusterError) -> None:
        self._failures += 1
        self._on_error(error)
        await asyncio.sleep(self._pace.after(self._failures, error.retry_after_seconds))

    def _replace(self, items: Sequence[Object]) -> None:
        found = {str(item["metadata"]["uid"]): item for item in items}
        for uid in self._objects.keys() - found.keys():
            self._on_change(self._objects.pop(uid), True)
        for item in found.values():
            self._take(item, gone=False)

    def _take(self, item: Object, *, gone: bool) -> None:
        uid = str(item["metadata"]["uid"])
        if gone:
            self._objects.pop(uid, None)
        else:
            self._objects[uid] = item
        self._on_change(item, gone)
