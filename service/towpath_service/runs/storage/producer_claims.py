"""Row locks of ingestion on PostgreSQL, where several transactions write at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from towpath_service.database.sql.arrays import insert_arrays, selected
from towpath_service.runs.ports.ingest import ProducerKey, ProducerRecord
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.rows import PRODUCER_COLUMNS, producer_row, to_producer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Column, Connection

_PRODUCER: Final = (
    "producer.tenant_id::text, producer.workspace_id, producer.producer_id::text,"
    " producer.committed_sequence, producer.epoch, producer.log_sequence, producer.logs_dropped,"
    " producer.info, producer.committed_us, producer.seen_us"
)
_ASKED: Final = "unnest($1::uuid[], $2::text[], $3::uuid[]) AS asked (tenant, workspace, id)"
_OF_THE_ASKED: Final = (
    "{0}.tenant_id = asked.tenant AND {0}.workspace_id = asked.workspace"
    " AND {0}.producer_id = asked.id"
)
_KNOWN: Final = (
    f"SELECT {_PRODUCER} FROM producer JOIN {_ASKED} ON {_OF_THE_ASKED.format('producer')}"  # noqa: S608 - names of the schema
    " ORDER BY producer.tenant_id, producer.workspace_id, producer.producer_id"
    " FOR UPDATE OF producer"
)
# If another transaction has made the row meanwhile, this update without a change locks it.
_LOCKING: Final = (
    " ON CONFLICT (tenant_id, workspace_id, producer_id)"
    " DO UPDATE SET committed_sequence = producer.committed_sequence"
)


def claim_producers(
    connection: Connection, keys: Collection[ProducerKey], now_us: int
) -> dict[ProducerKey, ProducerRecord]:
    """Locks producers in the order of their keys, and reads them; unknown ones are created."""
    if not keys:
        return {}
    claimed = sorted(keys)
    known = connection.exec_driver_sql(_KNOWN, _columns(claimed))
    found = {producer.key: producer for producer in map(to_producer, known)}
    new = [ProducerRecord(key=key, seen_us=now_us) for key in claimed if key not in found]
    if new:
        made = insert_arrays(
            connection,
            tables.producer,
            PRODUCER_COLUMNS,
            [producer_row(producer) for producer in new],
            conflict=_LOCKING,
            returning=_PRODUCER,
        )
        found.update((producer.key, producer) for producer in map(to_producer, made))
    return found


def read_standing(
    connection: Connection,
    columns: Sequence[Column[Any]],
    tenant_id: str,
    run_ids: Collection[str],
    producers: Collection[ProducerKey],
) -> tuple[list[Sequence[Any]], bool]:
    """Reads and locks runs, and returns whether producers have unconfirmed refusals.

    This must be a later statement than the claim, so that both are as of the claim.
    """
    parameters = (*_columns(sorted(producers)), tenant_id, list(run_ids))
    rows = connection.exec_driver_sql(_standing(tuple(columns)), parameters).all()
    return [row[1:] for row in rows if row[1] is not None], bool(rows[0][0])


@lru_cache(maxsize=8)
def _standing(columns: tuple[Column[Any], ...]) -> str:
    refused = f"SELECT 1 FROM refusal JOIN {_ASKED} ON {_OF_THE_ASKED.format('refusal')}"  # noqa: S608 - names of the schema
    return (
        f"WITH found AS (SELECT {selected(columns)} FROM run WHERE tenant_id = $4::uuid"  # noqa: S608 - names of the schema
        " AND run_id = ANY($5::uuid[]) ORDER BY run_id FOR UPDATE)"
        f" SELECT EXISTS ({refused} WHERE NOT refusal.confirmed), found.*"
        " FROM (SELECT) AS once LEFT JOIN found ON true"
    )


def _columns(keys: Sequence[ProducerKey]) -> tuple[list[str], list[str], list[str]]:
    return (
        [key.tenant_id for key in keys],
        [key.workspace_id for key in keys],
        [key.producer_id for key in keys],
    )
