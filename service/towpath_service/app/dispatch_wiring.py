"""Puts the dispatch of runs to workers together; used by the wiring."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from towpath_service.app.subjects import Subject
from towpath_service.work.application.attachments import Attachments
from towpath_service.work.application.crash_retries import retry_after_crash
from towpath_service.work.application.dispatcher import Dispatcher
from towpath_service.work.application.lease_expiry import LeaseExpiry
from towpath_service.work.application.lease_work import LeaseWork
from towpath_service.work.application.noting import DispatchNotes
from towpath_service.work.application.workers import Workers
from towpath_service.work.rpc.worker_stream import WorkerStreamHandler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from towpath_service.app.identity.wiring import Identity
    from towpath_service.app.subjects import Foundation
    from towpath_service.runs.rpc.ingest_handler import StreamTimes
    from towpath_service.work.application.attachments import NoteAttached
    from towpath_service.work.application.dispatcher import RunTokens


@asynccontextmanager
async def open_dispatch(
    foundation: Foundation,
    times: StreamTimes,
    identity: Identity | None = None,
    notes: DispatchNotes | None = None,
) -> AsyncGenerator[Subject]:
    """Opens the dispatch of runs.

    Args:
        foundation: What it is built on.
        times: Lifetimes of streams and timeouts of producers.
        identity: The identity layer; None for a service without.
        notes: Take the events of dispatch, for telemetry; None for none.
    """
    if identity is None:
        async with dispatch(foundation, times, notes=notes) as subject:
            yield subject
        return
    # Brings cryptography, of which a service without identity needs nothing.
    from towpath_service.app.identity.worker_rights import (  # noqa: PLC0415 - 10 MB
        AuditAttachments,
        IdentityRunTokens,
    )

    tokens = IdentityRunTokens(identity.authority, foundation.clock)
    note_attached = AuditAttachments(identity.trail)
    async with dispatch(foundation, times, tokens, note_attached, notes) as subject:
        yield subject


@asynccontextmanager
async def dispatch(
    foundation: Foundation,
    times: StreamTimes,
    tokens: RunTokens | None = None,
    note_attached: NoteAttached | None = None,
    notes: DispatchNotes | None = None,
) -> AsyncGenerator[Subject]:
    """Puts the parts of dispatch together.

    Args:
        foundation: What they are built on.
        times: Lifetimes of streams and timeouts of producers.
        tokens: Makes tokens for the processes of runs; None for none.
        note_attached: Records attached workers in the audit log; None without one.
        notes: Take the events of dispatch, for telemetry; None for none.
    """
    notes = notes or DispatchNotes()
    store, bus, clock = foundation.stores.dispatch, foundation.bus, foundation.clock
    workers = Workers(bus)
    expiry = LeaseExpiry(
        store,
        workers,
        bus,
        clock,
        silence_seconds=times.heartbeat_timeout_seconds,
        retry_after_crash=retry_after_crash,
        note=notes.expired,
    )
    async with LeaseWork(store, workers, bus, clock, retry_after_crash) as lease_work:
        dispatcher = Dispatcher(store, workers, lease_work, bus, clock, tokens, note=notes.claimed)
        attachments = Attachments(store, workers, dispatcher, clock, note_attached)
        handler = WorkerStreamHandler(
            attachments, workers, dispatcher, lease_work, clock, foundation.draining, times
        )
        yield Subject(
            handlers=(handler,),
            loops={
                "dispatcher": dispatcher.run,
                "leases": expiry.run,
                "lease-directives": attachments.run,
                "workers": attachments.keep_alive,
            },
        )
