"""Calls to an API server that is made again when it is busy or away, and what is said of errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from towpath._work.kinds.kubernetes.cluster import FORBIDDEN, ClusterAway, ClusterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from towpath._work.kinds.kubernetes.watching import Pace

Result = TypeVar("Result")

TELL_SECONDS: Final = 60.0
"""Least pause between two lines about a server that is away."""
_UNAUTHORIZED: Final = 401


class Calls:
    """Makes calls again, and says each lasting error once."""

    def __init__(self, namespace: str, pace: Pace, tell: Callable[[str], object]) -> None:
        """Makes no call yet.

        Args:
            namespace: The namespace, for messages.
            pace: The pauses between calls.
            tell: Called with what is to be said to people.
        """
        self._namespace = namespace
        self._pace = pace
        self._tell = tell
        self._told: set[str] = set()
        self._told_away_at = float("-inf")

    async def again(
        self, call: Callable[[], Awaitable[Result]], patience_seconds: float = float("inf")
    ) -> Result:
        """Makes a call until it is answered.

        Args:
            call: The call.
            patience_seconds: Longest time to try.

        Raises:
            ClusterError: The server refuses it.
            ClusterAway: The server was busy or away for all that time.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_seconds
        failures = 0
        while True:
            try:
                return await call()
            except ClusterError as error:
                self.note(error)
                if not error.may_pass:
                    raise
                failures += 1
                pause = self._pace.after(failures, error.retry_after_seconds)
                if loop.time() + pause > until:
                    raise ClusterAway(f"the Kubernetes API server is away: {error}") from error
            await asyncio.sleep(pause)

    def note(self, error: ClusterError) -> None:
        """Says what is wrong: a missing right once, a server that is away once a minute."""
        if error.code == FORBIDDEN:
            lacks = error.missing_verb
            text = f"the worker's Role in namespace {self._namespace} lacks `{lacks}`: {error}"
            self._once(text if lacks else str(error))
        elif error.code == _UNAUTHORIZED:
            self._once(f"the API server doesn't know the worker: {error}")
        elif error.may_pass:
            now = asyncio.get_running_loop().time()
            if now - self._told_away_at >= TELL_SECONDS:
                self._told_away_at = now
                self._tell(f"the Kubernetes API server is busy or away, and Jobs go on: {error}")

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)
