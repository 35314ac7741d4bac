"""The audit log: entries in a chain of hashes, one chain for each tenant.

Each entry's hash covers the entry and the hash before it: what is changed, removed, inserted or
moved breaks the chain from there on. The last hash is kept apart, under a seal of the service's
own, so that whoever can write the database can't write the chain anew, or cut its end off. A log
that has lost its end goes on by an entry that says so for ever.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_HASH: Final = "0" * 64
"""What the first entry of a tenant builds on."""

LOST_HASH: Final = "f" * 64
"""What an entry builds on where the log has lost its end."""

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """Who did what to which resource from where, allowed or denied."""

    tenant_id: str
    sequence: int
    """From 1, without gaps."""
    recorded_us: int
    """Microseconds since the Unix epoch."""
    actor: str
    credential_id: str
    action: str
    method: str
    resource: str
    outcome: str
    """Name of a gRPC status code."""
    reason: str
    address: str
    trace_id: str
    request: str
    """JSON, without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """The end of a tenant's chain."""

    sequence: int = 0
    hash: str = FIRST_HASH


def chained(record: AuditRecord, previous_hash: str) -> str:
    """The hash of an entry that comes after one of another hash; SHA-256, hexadecimal."""
    content = json.dumps([_VERSION, previous_hash, *astuple(record)], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def find_break(entries: Iterable[tuple[AuditRecord, str]], head: AuditHead) -> str:
    """What is wrong with a chain, from its beginning to its end; empty when nothing is.

    Args:
        entries: All entries with their hashes, by sequence.
        head: The end that the chain should have.
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
