"""The log of a run's container, followed from its start to its last line."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from towpath._work.folders import Output
from towpath._work.kinds.kubernetes.cluster import NOT_FOUND, ClusterError
from towpath._work.kinds.kubernetes.names import CONTAINER
from towpath._work.shim import OUTPUT_BYTES

if TYPE_CHECKING:
    from towpath._work.kinds.kubernetes.cluster import Cluster
    from towpath._work.kinds.kubernetes.watching import Pace

_LAST_TRIES: Final = 5
_DIGITS: Final = 9


class PodLog:
    """Follows a container's log and keeps its last bytes.

    Invariants: a line is kept once, however often the connection breaks; when `follow` returns
    after `note_end`, what the container wrote to its end was read, unless its pod is gone.
    """

    def __init__(self, cluster: Cluster, pace: Pace, limit_bytes: int = OUTPUT_BYTES) -> None:
        """Follows nothing yet.

        Args:
            cluster: The cluster.
            pace: The pauses between calls.
            limit_bytes: Most bytes to keep.
        """
        self._cluster = cluster
        self._pace = pace
        self._limit_bytes = limit_bytes
        self._lines: deque[bytes] = deque()
        self._kept_bytes = 0
        self._total_bytes = 0
        self._last: str = ""
        self._at_last = 0
        self._repeats = 0
        self._ended = asyncio.Event()

    def note_end(self) -> None:
        """Notes that the container is terminated: what can be read now is all."""
        self._ended.set()

    def output(self, limit_bytes: int) -> Output:
        """Returns the last bytes; from any thread."""
        data = b"".join(list(self._lines))[-limit_bytes:] if limit_bytes else b""
        return Output(data=data, dropped_bytes=self._total_bytes - len(data))

    async def follow(self, pod: str) -> None:
        """Reads the log of a pod that has started, until its end.

        Args:
            pod: Name of the pod.
        """
        failures = 0
        while True:
            is_last = self._ended.is_set()
            try:
                await self._read(pod, follow=not is_last)
            except ClusterError as error:
                failures += 1
                if error.code == NOT_FOUND or (is_last and failures >= _LAST_TRIES):
                    return
                await asyncio.sleep(self._pace.after(failures, error.retry_after_seconds))
                continue
            if is_last:
                return
            failures = 0
            # The stream has ended; whether the container has is known a moment later.
            await self._wait_for_end()

    async def _wait_for_end(self) -> None:
        try:
            async with asyncio.timeout(self._pace.first):
                await self._ended.wait()
        except TimeoutError:
            pass

    async def _read(self, pod: str, *, follow: bool) -> None:
        self._repeats = self._at_last
        since = f"{self._last.partition('.')[0]}Z" if self._last else ""
        async for line in self._cluster.log(pod, CONTAINER, since=since, follow=follow):
            self._take(line)

    def _take(self, line: str) -> None:
        """Keeps a line, unless an earlier connection brought it."""
        stamp, _, text = line.partition(" ")
        moment = _comparable(stamp)
        if moment < self._last:
            return
        if moment == self._last and self._repeats:
            self._repeats -= 1
            return
        if moment > self._last:
            self._last, self._at_last, self._repeats = moment, 0, 0
        self._at_last += 1
        self._keep(text.encode() + b"\n")

    def _keep(self, line: bytes) -> None:
        self._lines.append(line)
        self._kept_bytes += len(line)
        self._total_bytes += len(line)
        while self._kept_bytes > self._limit_bytes and len(self._lines) > 1:
            self._kept_bytes -= len(self._lines.popleft())


def _comparable(stamp: str) -> str:
    """A time in UTC, of nine digits after the second, so that texts compare as the times do."""
    seconds, _, rest = stamp.removesuffix("Z").partition(".")
    return f"{seconds}.{rest.ljust(_DIGITS, '0')}"
