"""Audit logs, on SQL."""

from __future__ import annotations

import hmac
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, insert, literal, select, true, update
from towpath_auth.audit import LOST_HASH, AuditHead, AuditRecord, chained

from towpath_service.database.sql import statements
from towpath_service.identity.ports.audit import AuditLog
from towpath_service.identity.storage.rows import TenantRows
from towpath_service.identity.storage.tables import audit_entry, audit_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row


class SqlAuditEntries(TenantRows):
    """The audit log of one tenant."""

    def begin(self, seal: Callable[[AuditHead], str]) -> None:
        """Writes the end of an empty log; changes nothing if the log has entries or an end."""
        written = select(exists().where(audit_entry.c.tenant_id == self._tenant_id))
        if not self._connection.execute(written).scalar():
            self._add(audit_head, **_sealed(AuditHead(), seal))

    def append(self, record: AuditRecord, seal: Callable[[AuditHead], str]) -> None:
        """Writes an entry at the end of the tenant's audit log.

        Concurrent appends are serialised. If the end is missing or its seal is wrong, the entry
        shows that.
        """
        assert record.tenant_id == self._tenant_id
        found = self._connection.execute(self._select(audit_head).with_for_update()).one_or_none()
        last = _last(self._connection, self._tenant_id, found, seal)
        now_us = statements.database_now_us(self._connection)
        record = replace(record, sequence=last.sequence + 1, recorded_us=now_us)
        head = AuditHead(sequence=record.sequence, hash=chained(record, last.hash))
        self._connection.execute(insert(audit_entry).values(**asdict(record), hash=head.hash))
        values = _sealed(head, seal)
        if found is None:
            # A concurrent append makes this fail on its primary key, and be retried.
            self._connection.execute(insert(audit_head).values(tenant_id=self._tenant_id, **values))
        else:
            self._connection.execute(
                update(audit_head).where(audit_head.c.tenant_id == self._tenant_id).values(**values)
            )

    def read(self, *, before: int, limit: int) -> AuditLog:
        """The newest entries below a sequence, and the log's end, both of one moment."""
        columns = audit_entry.c
        page = (
            self._select(audit_entry)
            .where(columns.sequence < before)
            .order_by(columns.sequence.desc())
            .limit(limit)
            .subquery()
        )
        head = self._select(audit_head).subquery()
        always = select(literal(1).label("one")).subquery()
        ends = [head.c[name].label(f"head_{name}") for name in ("sequence", "hash", "seal")]
        # One statement reads one snapshot: a concurrent entry is in both results, or in neither.
        rows = self._connection.execute(
            select(*ends, *page.c)
            .select_from(always.outerjoin(head, true()).outerjoin(page, true()))
            .order_by(page.c.sequence.desc())
        )
        found = [dict(row) for row in rows.mappings()]
        heads = [tuple(row.pop(end.name) for end in ends) for row in found]
        sequence, hash_, seal = heads[0]
        return AuditLog(
            entries=[_to_entry(row) for row in found if row["sequence"] is not None],
            head=AuditHead() if sequence is None else AuditHead(sequence=sequence, hash=hash_),
            seal=seal or "",
        )


def _sealed(head: AuditHead, seal: Callable[[AuditHead], str]) -> dict[str, Any]:
    """The columns of an end, without the tenant's id."""
    return {"sequence": head.sequence, "hash": head.hash, "seal": seal(head)}


def _last(
    connection: Connection, tenant_id: str, found: Row[Any] | None, seal: Callable[[AuditHead], str]
) -> AuditHead:
    """The end that the next entry follows; marks an end that is missing or wrongly sealed."""
    if found is not None:
        head = AuditHead(sequence=found.sequence, hash=found.hash)
        if hmac.compare_digest(seal(head).encode(), found.seal.encode()):
            return head
    columns = audit_entry.c
    last = select(func.max(columns.sequence)).where(columns.tenant_id == tenant_id)
    return AuditHead(sequence=connection.execute(last).scalar() or 0, hash=LOST_HASH)


def _to_entry(row: dict[str, Any]) -> tuple[AuditRecord, str]:
    hash_ = row.pop("hash")
    return AuditRecord(**row), hash_
