"""Checks that the audit log is as it was written, for `towpath audit verify`.

The only module of the SDK that imports `towpath_auth`, which defines the chain of hashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_auth.audit import AuditHead, AuditRecord, find_break

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath.client import AuditEntry, AuditPage


def problem_of_log(pages: Sequence[AuditPage], tenant_id: str) -> str:
    """Returns the first problem of a log; empty when it has none.

    Args:
        pages: The whole log, newest first.
        tenant_id: UUID of the tenant whose log it is.
    """
    # The first page has the log's end: entries that are written later are on no page.
    first = pages[0]
    entries = [entry for page in pages for entry in page.entries][::-1]
    head = AuditHead(sequence=first.head_sequence, hash=first.head_hash)
    problem = find_break([(_record(entry, tenant_id), entry.hash) for entry in entries], head)
    if not problem and not first.head_sealed:
        return "the end of the log doesn't bear the service's seal"
    return problem


def difference(entries: Mapping[int, str], exported: Mapping[int, str]) -> str:
    """Returns how a log differs from an earlier export; empty when it has all its entries.

    Args:
        entries: The hashes of the log's entries, by number.
        exported: The hashes of the export's entries, by number.
    """
    for sequence, hash_ in sorted(exported.items()):
        if sequence not in entries:
            return f"entry {sequence} of the export is missing"
        if entries[sequence] != hash_:
            return f"entry {sequence} differs from the export"
    return ""


def _record(entry: AuditEntry, tenant_id: str) -> AuditRecord:
    return AuditRecord(
        tenant_id=tenant_id,
        sequence=entry.sequence,
        recorded_us=entry.recorded_us,
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
