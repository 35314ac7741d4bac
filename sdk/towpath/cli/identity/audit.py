"""`towpath audit`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from towpath.api.v1 import access_service_pb2
from towpath.cli.shared.errors import USAGE, CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.service import Shown, as_json, call, service_transport, show
from towpath.cli.shared.session import list_output, note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="EXPORT",
    help="Check that all of an earlier `audit export` is in the log, too.",
)
def verify(against: Path | None) -> None:
    """Check that no entry was removed, changed, moved or put in between."""
    exported = {} if against is None else _exported(against)
    entries, wrong = _checked_log()
    wrong = wrong or _difference(entries, exported)
    if wrong:
        raise CommandError(
            f"the audit log was tampered with: {wrong}",
            hint="compare it with an earlier `towpath audit export` (--against), or a backup of the"
            " database",
            code="AUDIT_BROKEN",
        )
    among = "" if against is None else f", {len(exported)} of them as in {against}"
    note(f"all {len(entries)} entries are as they were written{among}")


def _checked_log() -> tuple[dict[int, str], str]:
    """The hashes of all entries, and what is wrong with the log."""
    from towpath_auth.audit import AuditHead, find_break  # noqa: PLC0415 - for this command only

    pages = list(_pages(1000))
    tenant_id = _tenant_id()
    # Pages are newest first: the first one tells the end, and what is written later is in none.
    entries = [entry for page in pages for entry in page.audit_entries][::-1]
    head = AuditHead(sequence=pages[0].head_sequence, hash=pages[0].head_hash)
    wrong = find_break([(_record(entry, tenant_id), entry.hash) for entry in entries], head)
    if not wrong and not pages[0].head_sealed:
        wrong = "the end of the log doesn't bear the service's seal"
    return {entry.sequence: entry.hash for entry in entries}, wrong


def _exported(file: Path) -> dict[int, str]:
    """The hashes of an export's entries."""
    found: dict[int, str] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            entry = json.loads(line)
            found[int(entry["sequence"])] = str(entry["hash"])
        except (ValueError, TypeError, KeyError):
            raise CommandError(
                f"{file}, line {number}: that is no entry of an audit log",
                hint="give a file that `towpath audit export > FILE` has made",
                code="INVALID_ARGUMENT",
                exit_code=USAGE,
            ) from None
    return found


def _difference(entries: Mapping[int, str], exported: Mapping[int, str]) -> str:
    for sequence, hash_ in sorted(exported.items()):
        if sequence not in entries:
            return f"entry {sequence} of the export is missing"
        if entries[sequence] != hash_:
            return f"entry {sequence} is another than in the export"
    return ""


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
