"""Notifications of commits within one process; used by the committer, watches and dispatch."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath_service.core.names import Scope


class Topic(NamedTuple):
    """A thing beside the changes of a workspace that tasks wait for."""

    kind: Literal["pool", "workers", "directives", "schedules", "acquisition", "pause", "input"]
    """"pool": runs of a work pool may have become ready; "workers": there are directives for
    workers of a pool; "directives": there are directives for a producer; "schedules": a schedule or
    a backfill of any tenant has changed, see `SCHEDULES`; "acquisition": an acquisition of slots no
    longer waits; "pause": a pause of a run was answered; "input": a run was sent an input."""
    tenant_id: str
    workspace_id: str
    name: str
    """Id of the pool, the producer, the acquisition or the run."""


SCHEDULES: Final = Topic("schedules", "", "", "")
"""A schedule or a backfill has changed; of all tenants, so that one task waits for all."""


class Settable(Protocol):
    """An event."""

    def set(self) -> None:
        """Records that it happened."""
        ...


class Bus:
    """Wakes tasks that wait for changes of a workspace, or for a topic, within one event loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[Scope | Topic, set[Settable]] = defaultdict(set)

    def notify(self, subject: Scope | Topic) -> None:
        """Wakes all tasks that wait for the workspace or the topic."""
        for event in self._waiting.get(subject, ()):
            event.set()

    def notify_all(self) -> None:
        """Wakes all tasks, for example when the service drains."""
        for subject in list(self._waiting):
            self.notify(subject)

    @contextlib.contextmanager
    def waking(self, event: Settable, *subjects: Scope | Topic) -> Generator[None]:
        """Sets an event at each notification of the subjects, for as long as the context lasts."""
        for subject in subjects:
            self._waiting[subject].add(event)
        try:
            yield
        finally:
            for subject in subjects:
                self._waiting[subject].discard(event)
                if not self._waiting[subject]:
                    del self._waiting[subject]

    async def wait(self, subject: Scope | Topic, seconds: float) -> None:
        """Waits for the next notification of a subject, for at most `seconds`."""
        event = asyncio.Event()
        with self.waking(event, subject), contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
