"""`towpath audit`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from towpath.api.v1 import access_service_pb2
from towpath.cli._errors import CommandError
from towpath.cli._groups import CommandGroup
from towpath.cli._service import Shown, as_json, call, service_transport, show
from towpath.cli._session import list_output, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath_auth.audit import AuditRecord

_METHOD = "towpath.api.v1.AccessService/ListAuditEntries"


@click.group(cls=CommandGroup)
def group() -> None:
    """See who did what, and that nothing of it was changed."""


@group.command("ls")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@list_output
def list_entries(limit: int, output: str) -> None:
    """List the latest entries, newest first."""
    page = next(_pages(limit))
    show(
        list(page.audit_entries),
        (
            Shown("#", lambda item: str(item.sequence)),
            Shown("WHEN", lambda item: _moment(item.record_time_us)),
            Shown("WHO", lambda item: item.actor),
            Shown("WHAT", lambda item: item.action),
            Shown("OF", lambda item: item.resource),
            Shown("OUTCOME", lambda item: item.reason or item.outcome),
            Shown("FROM", lambda item: item.client_address),
        ),
        output,
    )


@group.command()
def export() -> None:
    """Print the whole log as JSON lines, newest first."""
    for page in _pages(1000):
        for entry in page.audit_entries:
            click.echo(json.dumps(as_json(entry), ensure_ascii=False))


@group.command()
def verify() -> None:
    """Check that no entry was removed, changed, moved or put in between."""
    from towpath_auth.audit import AuditHead, find_break  # noqa: PLC0415 - for this command only

    pages = list(_pages(1000))
    tenant_id = _tenant_id()
    entries = [entry for page in pages for entry in page.audit_entries]
    entries.sort(key=lambda entry: entry.sequence)
    # What was written while the pages were read is beyond the end that the first one told.
    end = pages[0]
    head = AuditHead(sequence=end.head_sequence, hash=end.head_hash) if entries else AuditHead()
    told = [(_record(entry, tenant_id), entry.hash) for entry in entries]
    wrong = find_break(told, head)
    if not wrong and end.head_sequence and not end.head_sealed:
        wrong = "the end of the log doesn't bear the service's seal"
    if wrong:
        raise CommandError(
            f"the audit log was tampered with: {wrong}",
            hint="compare it with an earlier `towpath audit export`, or a backup of the database",
            code="AUDIT_BROKEN",
        )
    note(f"all {len(entries)} entries are as they were written")


def _pages(size: int) -> Iterator[Any]:
    request = access_service_pb2.ListAuditEntriesRequest(page_size=size)
    with service_transport() as transport:
        while True:
            answer: Any = transport.unary(_METHOD, request)
            yield answer
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token


def _tenant_id() -> str:
    tenant_id: str = call("AuthService", "GetCaller").tenant_id
    return tenant_id


def _record(entry: Any, tenant_id: str) -> AuditRecord:
    from towpath_auth.audit import AuditRecord  # noqa: PLC0415 - for this command only

    return AuditRecord(
        tenant_id=tenant_id,
        sequence=entry.sequence,
        recorded_us=entry.record_time_us,
        actor=entry.actor,
        credential_id=entry.credential_id,
        action=entry.action,
        method=entry.method,
        resource=entry.resource,
        outcome=entry.outcome,
        reason=entry.reason,
        address=entry.client_address,
        trace_id=entry.trace_id,
        request=entry.request_json,
    )


def _moment(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
