"""The queue of submissions to be committed; used by the committer.

Tenants take turns. While several tenants wait, a long submission is split, and committed in
portions, one after the other. It has one outcome, that of the last portion. Earlier portions stay
committed if a later one fails, and sending the submission again is safe.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from towpath_service.runs.domain.turns import Turns

if TYPE_CHECKING:
    from towpath_service.runs.application.submissions import Outcome, Submission

MAX_BATCH_UPDATES: Final = 5000
ROOM_UPDATES: Final = 200
"""Most waiting updates of a tenant while portions are limited. Beyond that no more is read, so that
reading takes no time from commits."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A submission in the queue."""

    submission: Submission
    """The part that no commit has begun with."""
    outcome: asyncio.Future[Outcome]
    duplicates: int = 0
    """The outcome of its earlier portions."""

    @property
    def tenant_id(self) -> str:
        """The tenant of the submission."""
        return self.submission.producer.tenant_id


@dataclass(frozen=True, slots=True)
class Portion:
    """The part of a submission that one commit takes."""

    submission: Submission
    of: Waiting
    is_last: bool


@dataclass(slots=True)
class _Queue:
    waiting: deque[Waiting]
    updates: int = 0


class CommitQueue:
    """Submissions of all tenants, in order for each."""

    def __init__(self) -> None:
        """Starts empty."""
        self._queues: dict[str, _Queue] = {}
        self._turns = Turns()
        self._is_cut = False
        """Whether the last commit was limited to less than the most."""
        self._readers: deque[tuple[str, asyncio.Future[None]]] = deque()

    def __len__(self) -> int:
        """Number of submissions."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    def put(self, waiting: Waiting) -> None:
        """Adds a submission at the end of its tenant's queue."""
        queue = self._queues.setdefault(waiting.tenant_id, _Queue(deque()))
        queue.waiting.append(waiting)
        queue.updates += len(waiting.submission.updates)

    def take(self, now: float) -> list[Portion]:
        """Takes the portions of the next commit.

        Args:
            now: The time, in seconds of a clock that never goes back.
        """
        waiting = {tenant_id: queue.updates for tenant_id, queue in self._queues.items()}
        batch: list[Portion] = []
        room = self._turns.portion(waiting, MAX_BATCH_UPDATES, now)
        self._is_cut = room < MAX_BATCH_UPDATES
        for tenant_id in self._turns.order(waiting, now):
            if batch and waiting[tenant_id] > room:
                continue  # It would delay tenants with few updates: it waits for the next commit.
            taken = self._take_of(tenant_id, room, batch)
            self._turns.note(tenant_id, taken, waiting[tenant_id], now)
            room -= taken
        self._let_read()
        return batch

    def drop(self, waiting: Waiting) -> None:
        """Drops the rest of a submission that was split."""
        queue = self._queues[waiting.tenant_id]
        assert queue.waiting[0] is waiting
        self._remove(waiting.tenant_id, queue, len(waiting.submission.updates))
        self._let_read()

    def clear(self) -> list[Waiting]:
        """Removes and returns all submissions, which won't be committed."""
        left = [waiting for queue in self._queues.values() for waiting in queue.waiting]
        self._queues.clear()
        self._let_read()
        return left

    async def wait_for_room(self, tenant_id: str) -> None:
        """Waits until more of a tenant should be read; returns at once unless it delays others."""
        if not self._has_room(tenant_id):
            reader = asyncio.get_running_loop().create_future()
            self._readers.append((tenant_id, reader))
            await reader

    def _has_room(self, tenant_id: str) -> bool:
        queue = self._queues.get(tenant_id)
        return not self._is_cut or queue is None or queue.updates < ROOM_UPDATES

    def _let_read(self) -> None:
        for _ in range(len(self._readers)):
            tenant_id, reader = self._readers.popleft()
            if reader.done():
                continue
            if self._has_room(tenant_id):
                reader.set_result(None)
            else:
                self._readers.append((tenant_id, reader))

    def _take_of(self, tenant_id: str, room: int, batch: list[Portion]) -> int:
        """Takes up to `room` updates of a tenant; returns how many. A split rest stays first."""
        queue, left = self._queues[tenant_id], room
        while queue.waiting and left > 0:
            waiting = queue.waiting[0]
            submission = waiting.submission
            count = len(submission.updates)
            if count > left:
                batch.append(Portion(_part(submission, 0, left), waiting, is_last=False))
                waiting.submission = _part(submission, left, count)
                queue.updates -= left
                return room
            batch.append(Portion(submission, waiting, is_last=True))
            left -= count
            self._remove(tenant_id, queue, count)
        return room - left

    def _remove(self, tenant_id: str, queue: _Queue, updates: int) -> None:
        """Removes a tenant's first submission."""
        queue.waiting.popleft()
        queue.updates -= updates
        if not queue.waiting:
            del self._queues[tenant_id]


def _part(submission: Submission, start: int, stop: int) -> Submission:
    """A slice of a submission; only the first slice may pass over a gap."""
    return replace(
        submission,
        first_sequence=submission.first_sequence + start,
        updates=submission.updates[start:stop],
        resume_after_loss=submission.resume_after_loss and start == 0,
    )
