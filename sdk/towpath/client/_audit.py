"""The audit log of the caller's tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from towpath.api.v1 import access_service_pb2 as pb
from towpath.client._calls import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A call that changed something, or that was refused."""

    sequence: int
    """Its number in the tenant's log, from 1 without gaps."""
    recorded_us: int
    """When it was recorded: microseconds since the Unix epoch, as they are hashed."""
    actor: str
    """The principal that called; "operator" for the installation's operator in another tenant;
    empty when it is unknown."""
    credential_id: str
    """Public id of the credential."""
    action: str
    """The kind of call, "key.revoke"."""
    method: str
    """The rpc, "towpath.api.v1.AccessService/RevokeApiKey"."""
    resource: str
    """Name of the resource."""
    outcome: str
    """Name of a gRPC status code, "OK"."""
    reason: str
    """Reason of a refusal; empty otherwise."""
    client_address: str
    trace_id: str
    request_json: str
    """The request as JSON, with secrets redacted and long values cut."""
    hash: str
    """SHA-256 over the entry and the hash before it, hexadecimal."""

    @property
    def recorded(self) -> datetime:
        """When it was recorded, in UTC."""
        return datetime.fromtimestamp(self.recorded_us / 1e6, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """A part of the log, with the end of the whole log."""

    entries: tuple[AuditEntry, ...]
    """Newest first."""
    head_sequence: int
    """Number of the last entry ever written."""
    head_hash: str
    """Hash of that entry."""
    head_sealed: bool
    """Whether the end of the log bears the service's seal."""


class Audit(Subject):
    """Reads the audit log.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def list(self) -> Iterator[AuditEntry]:
        """Lists all entries, newest first.

        Returns:
            The entries, fetched page by page.
        """
        for page in self.pages():
            yield from page.entries

    def pages(self, *, size: int = 1000) -> Iterator[AuditPage]:
        """Lists all entries by pages, newest first.

        Args:
            size: Most entries of a page, at most 1000.

        Returns:
            The pages, each fetched when it is asked for; the first one has the log's end.
        """
        request = pb.ListAuditEntriesRequest(page_size=size)
        for page in self._calls.pages(
            "AccessService/ListAuditEntries", request, pb.ListAuditEntriesResponse
        ):
            yield _convert_page(page)


def _convert_page(message: pb.ListAuditEntriesResponse) -> AuditPage:
    return AuditPage(
        entries=tuple(map(_convert_entry, message.audit_entries)),
        head_sequence=message.head_sequence,
        head_hash=message.head_hash,
        head_sealed=message.head_sealed,
    )


def _convert_entry(message: pb.AuditEntry) -> AuditEntry:
    return AuditEntry(
        sequence=message.sequence,
        recorded_us=message.record_time_us,
        actor=message.actor,
        credential_id=message.credential_id,
        action=message.action,
        method=message.method,
        resource=message.resource,
        outcome=message.outcome,
        reason=message.reason,
        client_address=message.client_address,
        trace_id=message.trace_id,
        request_json=message.request_json,
        hash=message.hash,
    )
