"""`towpath audit`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.errors import USAGE, CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import json_object, list_output, print_json_line, print_list
from towpath.cli.shared.session import note, progress, service_client
from towpath.cli.shared.times import local_second

if TYPE_CHECKING:
    from towpath.client import AuditEntry, AuditPage, Client


@click.group(cls=CommandGroup)
def group() -> None:
    """Read and verify the audit log."""


@group.command("ls")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Most entries to list.",
)
@list_output
def list_entries(limit: int, output: str) -> None:
    """List the latest entries, newest first."""
    with service_client() as client:
        page = next(client.audit.pages(size=limit))
    print_list(
        page.entries,
        {
            "#": lambda item: str(item.sequence),
            "TIME": lambda item: local_second(item.recorded),
            "ACTOR": lambda item: item.actor,
            "ACTION": lambda item: item.action,
            "RESOURCE": lambda item: item.resource,
            "OUTCOME": lambda item: item.reason or item.outcome,
            "ADDRESS": lambda item: item.client_address,
        },
        output,
        as_json=_as_json,
    )


@group.command()
def export() -> None:
    """Print the whole log as JSON lines, newest first."""
    # Lines on the terminal show by themselves how far it is.
    shown = progress("exporting", unit="entries", hidden=sys.stdout.isatty())
    with service_client() as client, shown:
        for page in client.audit.pages():
            shown.total = shown.total or page.head_sequence
            for entry in page.entries:
                print_json_line(_as_json(entry))
            shown.advance(len(page.entries))


@group.command()
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="EXPORT",
    help="File of an earlier `audit export`, whose entries must all be in the log.",
)
def verify(against: Path | None) -> None:
    """Verify that no entry was removed, changed, moved or inserted."""
    from towpath.cli.identity import audit_chain  # noqa: PLC0415 - only this command needs it

    exported = {} if against is None else _exported(against)
    with service_client() as client:
        pages = _read(client)
        tenant_id = client.whoami().tenant_id
    entries = {entry.sequence: entry.hash for page in pages for entry in page.entries}
    problem = audit_chain.problem_of_log(pages, tenant_id) or audit_chain.difference(
        entries, exported
    )
    if problem:
        raise CommandError(
            f"the audit log was tampered with: {problem}",
            hint="compare it with an earlier `towpath audit export` (--against), or a backup of the"
            " database",
            code="AUDIT_BROKEN",
        )
    among = "" if against is None else f"; {len(exported)} of them equal those of {against}"
    note(f"all {len(entries)} entries are as they were written{among}")


def _read(client: Client) -> list[AuditPage]:
    """The whole log, newest first."""
    pages: list[AuditPage] = []
    with progress("reading", unit="entries") as shown:
        for page in client.audit.pages():
            shown.total = shown.total or page.head_sequence
            shown.advance(len(page.entries))
            pages.append(page)
    return pages


def _exported(file: Path) -> dict[int, str]:
    """The hashes of an export's entries, by number."""
    found: dict[int, str] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            entry = json.loads(line)
            found[int(entry["sequence"])] = str(entry["hash"])
        except (ValueError, TypeError, KeyError):
            raise CommandError(
                f"{file}, line {number}: this is no entry of an audit log",
                hint="give a file made by `towpath audit export > FILE`",
                code="INVALID_ARGUMENT",
                exit_code=USAGE,
            ) from None
    return found


def _as_json(entry: AuditEntry) -> dict[str, Any]:
    return json_object(
        sequence=str(entry.sequence),
        record_time_us=str(entry.recorded_us),
        actor=entry.actor,
        credential_id=entry.credential_id,
        action=entry.action,
        method=entry.method,
        resource=entry.resource,
        outcome=entry.outcome,
        reason=entry.reason,
        client_address=entry.client_address,
        trace_id=entry.trace_id,
        request_json=entry.request_json,
        hash=entry.hash,
    )
