"""The hash chain of the audit log, one chain for each tenant.

The hash of an entry covers the entry and the hash before it: a change, removal, insertion or move
breaks the chain from there on. The last hash is kept apart, sealed by the service, so that a writer
of the database can neither rewrite the chain nor cut off its end. A log that has lost its end
continues with an entry that records the loss for ever.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_HASH: Final = "0" * 64
"""The hash before the first entry of a tenant."""

LOST_HASH: Final = "f" * 64
"""The hash before an entry that follows a lost end."""

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One entry: who did what to which resource, from where, and whether it was allowed."""

    tenant_id: str
    sequence: int
    """Number of the entry in its chain: from 1, without gaps."""
    recorded_us: int
    """Microseconds since the Unix epoch."""
    actor: str
    credential_id: str
    action: str
    method: str
    resource: str
    outcome: str
    """Name of the gRPC status code."""
    reason: str
    address: str
    trace_id: str
    request: str
    """The request as JSON, without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """The end of a tenant's chain."""

    sequence: int = 0
    hash: str = FIRST_HASH


def chained(record: AuditRecord, previous_hash: str) -> str:
    """Computes the hash of an entry.

    Args:
        record: The entry.
        previous_hash: The hash of the entry before it.

    Returns:
        SHA-256 in hexadecimal.
    """
    content = json.dumps([_VERSION, previous_hash, *astuple(record)], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def find_break(entries: Iterable[tuple[AuditRecord, str]], head: AuditHead) -> str:
    """Verifies a chain from its beginning to its end.

    Args:
        entries: All entries with their hashes, by sequence.
        head: The end that the chain should have.

    Returns:
        A sentence that says where the chain is broken; empty for a whole chain.
    """
    expected, previous = 1, FIRST_HASH
    for record, hash_ in entries:
        if record.sequence != expected:
            return f"entry {expected} is missing: the next one there is {record.sequence}"
        if chained(record, LOST_HASH) == hash_:
            return f"the log had lost its end before entry {expected}"
        if chained(record, previous) != hash_:
            return f"entry {expected} is not what was written"
        expected, previous = expected + 1, hash_
    if head.sequence != expected - 1:
        return f"the log ends with entry {expected - 1}, and should end with {head.sequence}"
    if head.hash != previous:
        return f"entry {head.sequence} is not the one that was written last"
    return ""
