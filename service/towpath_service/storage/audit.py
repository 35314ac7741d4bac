"""The audit log of one tenant, on SQL."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update
from towpath_auth.audit import AuditHead, AuditRecord, chained

from towpath_service.storage.identity_schema import audit_entry, audit_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection


def append(
    connection: Connection, record: AuditRecord, seal: Callable[[AuditHead], str], now_us: int
) -> None:
    """Writes an entry at the end of its tenant's log; two at once come one after the other."""
    tenant_id = record.tenant_id
    found = connection.execute(
        select(audit_head).where(audit_head.c.tenant_id == tenant_id).with_for_update()
    ).one_or_none()
    last = AuditHead() if found is None else AuditHead(sequence=found.sequence, hash=found.hash)
    record = replace(record, sequence=last.sequence + 1, recorded_us=now_us)
    head = AuditHead(sequence=record.sequence, hash=chained(record, last.hash))
    connection.execute(insert(audit_entry).values(**asdict(record), hash=head.hash))
    values = {"sequence": head.sequence, "hash": head.hash, "seal": seal(head)}
    if found is None:
        # Another's first entry makes this fail for a key that is there, and be tried again.
        connection.execute(insert(audit_head).values(tenant_id=tenant_id, **values))
    else:
        connection.execute(
            update(audit_head).where(audit_head.c.tenant_id == tenant_id).values(**values)
        )


def read(
    connection: Connection, tenant_id: str, *, before: int, limit: int
) -> list[tuple[AuditRecord, str]]:
    """Entries with their hashes, below a sequence, newest first."""
    columns = audit_entry.c
    rows = connection.execute(
        select(audit_entry)
        .where(columns.tenant_id == tenant_id, columns.sequence < before)
        .order_by(columns.sequence.desc())
        .limit(limit)
    )
    found: list[tuple[AuditRecord, str]] = []
    for row in rows.mappings():
        values = dict(row)
        hash_ = values.pop("hash")
        found.append((AuditRecord(**values), hash_))
    return found


def read_head(connection: Connection, tenant_id: str) -> tuple[AuditHead, str]:
    """The end of a log and its seal; empty when nothing was ever written."""
    found = connection.execute(
        select(audit_head).where(audit_head.c.tenant_id == tenant_id)
    ).one_or_none()
    if found is None:
        return AuditHead(), ""
    return AuditHead(sequence=found.sequence, hash=found.hash), found.seal
