"""Producers as one transaction has them to itself, on a database where several write at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath_service.ports.ingest import ProducerKey, ProducerRecord
from towpath_service.storage import schema
from towpath_service.storage.arrays import insert_arrays
from towpath_service.storage.rows import PRODUCER_COLUMNS, producer_row, to_producer

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

# An update that changes nothing locks the row, whether or not it was there.
_LOCKING: Final = (
    " ON CONFLICT (tenant_id, workspace_id, producer_id)"
    " DO UPDATE SET committed_sequence = producer.committed_sequence"
)
_RETURNING: Final = (
    "producer.tenant_id::text, producer.workspace_id, producer.producer_id::text,"
    " producer.committed_sequence, producer.epoch, producer.log_sequence, producer.logs_dropped,"
    " producer.info, producer.committed_us, producer.seen_us,"
    " EXISTS (SELECT 1 FROM refusal WHERE refusal.tenant_id = producer.tenant_id"
    " AND refusal.workspace_id = producer.workspace_id"
    " AND refusal.producer_id = producer.producer_id AND NOT refusal.confirmed) AS refused"
)


def claim_producers(
    connection: Connection, keys: Collection[ProducerKey], now_us: int
) -> dict[ProducerKey, ProducerRecord]:
    """Locks producers, in the order of their keys, and reads them; unknown ones are made."""
    if not keys:
        return {}
    rows = [producer_row(ProducerRecord(key=key, seen_us=now_us)) for key in sorted(keys)]
    result = insert_arrays(
        connection,
        schema.producer,
        PRODUCER_COLUMNS,
        rows,
        conflict=_LOCKING,
        returning=_RETURNING,
    )
    found: dict[ProducerKey, ProducerRecord] = {}
    for row in result:
        producer = to_producer(row)
        producer.may_have_refusals = row.refused
        found[producer.key] = producer
    return found
