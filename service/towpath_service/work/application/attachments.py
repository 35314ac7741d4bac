"""The streams of workers, from hello to goodbye; used by the handler of AttachWorker."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from towpath_service.core.errors import ServiceError
from towpath_service.work.application.attaching import Attached, Hello, attach
from towpath_service.work.application.workers import AttachedWorker, Directives, Grant

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.work.application.dispatcher import Dispatcher
    from towpath_service.work.application.workers import Workers
    from towpath_service.work.domain.dispatching import PoolKey, WorkerKey
    from towpath_service.work.ports.dispatching import (
        DirectiveRow,
        Dispatch,
        DispatchStore,
        WorkerRow,
    )

DIRECTIVE_SECONDS: Final = 5.0
"""Pause between two looks for directives without a notice."""

TOUCH_SECONDS: Final = 20.0
"""Pause between two records of the workers that are attached; a third of `SEEN_US`."""

_log = logging.getLogger(__name__)


class NoteAttached(Protocol):
    """Records in the audit log that an instance of a worker has attached."""

    async def __call__(self, caller: Caller, attached: Attached) -> None:
        """Records it, once for each instance."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An open stream of a worker."""

    worker: AttachedWorker
    attached: Attached
    grants: Sequence[Grant]
    """Leases that are sent again."""


class Attachments:
    """Opens and closes the streams of workers, and sends them directives."""

    def __init__(
        self,
        store: DispatchStore,
        workers: Workers,
        dispatcher: Dispatcher,
        clock: Clock,
        note_attached: NoteAttached | None = None,
    ) -> None:
        self._store = store
        self._workers = workers
        self._dispatcher = dispatcher
        self._clock = clock
        self._note_attached = note_attached

    @asynccontextmanager
    async def open(self, hello: Hello, caller: Caller) -> AsyncGenerator[Attachment]:
        """Attaches a worker for as long as the context lasts.

        Raises:
            ServiceError: As `attach`.
        """
        now_us = self._clock.now_us()
        attached = await self._store.write(
            {hello.key.tenant_id}, partial(attach, hello=hello, now_us=now_us)
        )
        if attached.is_new and self._note_attached is not None:
            await self._note_attached(caller, attached)
        worker = AttachedWorker(
            hello.key,
            hello.attachment,
            caller,
            slots=hello.slots,
            queues=hello.queues,
            leases=attached.leases,
            draining=attached.worker.draining,
            paused=attached.worker.paused,
        )
        grants = await self._dispatcher.grants(worker, attached.granted)
        try:
            with self._workers.attached(worker):
                # A directive that was given before the worker attached is sent again.
                self._workers.directed.add(hello.key.pool)
                yield Attachment(worker=worker, attached=attached, grants=grants)
        finally:
            await self._detach(worker)

    async def drain(self, worker: AttachedWorker) -> None:
        """Records that a worker takes no more runs."""
        worker.draining = True
        key = worker.key
        await self._store.write({key.tenant_id}, lambda dispatch: dispatch.workers.drain(key))

    async def run(self) -> None:
        """Sends directives to the workers of this replica; never returns."""
        while True:
            pools = await self._workers.directed.take(DIRECTIVE_SECONDS)
            try:
                await self.direct(pools)
            except ServiceError as error:
                _log.warning("directives for workers could not be read: %s", error)
                await asyncio.sleep(DIRECTIVE_SECONDS)

    async def keep_alive(self) -> None:
        """Records every few seconds which workers have a stream open here; never returns."""
        while True:
            await asyncio.sleep(TOUCH_SECONDS)
            try:
                await self.touch()
            except ServiceError as error:
                _log.warning("attached workers could not be recorded: %s", error)

    async def touch(self) -> None:
        """Records which workers have a stream open here, and learns which have moved on."""
        attachments = {worker.key: worker.attachment for worker in self._workers.of()}
        if attachments:
            now_us = self._clock.now_us()
            rows = await self._store.write(
                {key.tenant_id for key in attachments},
                partial(touch, attachments=attachments, now_us=now_us),
            )
            self._workers.follow(attachments, rows)

    async def direct(self, pools: Collection[PoolKey] | None = None) -> None:
        """Sends the directives about leases of workers, each once on a stream."""
        workers = {worker.key: worker for worker in self._workers.of(pools) if worker.leases}
        if not workers:
            return
        tenants = {key.tenant_id for key in workers}
        rows = await self._store.read(
            tenants, lambda dispatch: dispatch.workers.directives(workers.keys())
        )
        for key, worker in workers.items():
            self._tell(worker, [row for row in rows if row.worker == key])

    def _tell(self, worker: AttachedWorker, rows: Sequence[DirectiveRow]) -> None:
        new = [row for row in rows if (row.lease_id, row.revision) not in worker.told_directives]
        if new:
            worker.told_directives.update((row.lease_id, row.revision) for row in new)
            worker.send(Directives(new))

    async def _detach(self, worker: AttachedWorker) -> None:
        """Records the end of a stream; if that fails, the worker's silence tells."""
        key, attachment, now_us = worker.key, worker.attachment, self._clock.now_us()
        with suppress(ServiceError):
            await self._store.write(
                {key.tenant_id},
                lambda dispatch: dispatch.workers.detach(key, attachment, now_us),
            )


def touch(
    dispatch: Dispatch, attachments: Mapping[WorkerKey, str], now_us: int
) -> dict[WorkerKey, WorkerRow]:
    """Records that streams of workers are open, within one transaction.

    Args:
        dispatch: The transaction.
        attachments: Ids of the streams.
        now_us: The time.

    Returns:
        The workers as they are stored. A stream that isn't a worker's newest one records nothing.
    """
    rows = dispatch.workers.confirm(attachments, alone=True)
    current = [key for key, row in rows.items() if row.attachment == attachments[key]]
    dispatch.workers.touch(current, now_us)
    return rows
