"""Notices to all replicas of changes and topics, sent by the commit; PostgreSQL only.

A workspace is announced on one channel, a topic on another: a listener of an earlier version reads
the first one only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from towpath_service.core.bus import Topic
from towpath_service.core.names import Scope

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from towpath_service.database.port import SqlTransaction

CHANNEL: Final = "towpath_changes"
TOPICS: Final = "towpath_work"
NOTIFY: Final = (
    "SELECT pg_notify(notice.channel, notice.payload)"
    " FROM unnest($1::text[], $2::text[]) AS notice (channel, payload)"
)
_LETTERS: Final = {
    "pool": "p",
    "workers": "w",
    "directives": "d",
    "schedules": "s",
    "acquisition": "a",
    "pause": "u",
    "input": "i",
}
_KINDS: Final = {letter: kind for kind, letter in _LETTERS.items()}


def announce(connection: Connection, transaction: SqlTransaction) -> None:
    """Sends a transaction's notices on PostgreSQL; does nothing on SQLite."""
    due = transaction.changed or transaction.topics - transaction.announced
    if due and connection.dialect.name == "postgresql":
        connection.exec_driver_sql(NOTIFY, notices_of(transaction))


def notices_of(transaction: SqlTransaction) -> tuple[Any, ...]:
    """The parameters of `NOTIFY`."""
    notices = [(CHANNEL, "/".join(scope)) for scope in transaction.changed]
    notices += [
        (TOPICS, "/".join((_LETTERS[topic.kind], *topic[1:])))
        for topic in transaction.topics - transaction.announced
    ]
    return [channel for channel, _ in notices], [payload for _, payload in notices]


def heard_of(channel: str, payload: str) -> Scope | Topic | None:
    """The workspace or topic that a notice is about; None for one of a later version."""
    parts = payload.split("/")
    if channel == CHANNEL:
        return Scope(parts[0], parts[-1])
    kind: Any = _KINDS.get(parts[0])
    if kind is None or len(parts) != len(Topic._fields):
        return None
    return Topic(kind, *cast("tuple[str, str, str]", tuple(parts[1:])))
