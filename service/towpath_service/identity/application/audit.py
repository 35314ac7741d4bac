"""Writes and reads audit logs.

A change of members, roles, keys or trusts is committed together with its entry. The entry of any
other call, and of a refused one, is written after the call.

The entry of a call travels beside the call, not through it. `IdentityGuard` (identity/rpc/guard.py)
puts a draft into the context variable `current_draft` in the task that runs the call, and completes
it with the request. `AuditTrail.change` takes the draft from there and commits it with the change;
the guard writes what is still unwritten when the call has ended. So no handler and no use case
passes a draft on, and none can forget to.
"""

from __future__ import annotations

import hashlib
import hmac
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from towpath_auth import LOCAL_TENANT_ID
from towpath_auth.audit import AuditRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_auth import Caller
    from towpath_auth.audit import AuditHead

    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.ports.store import Identity, IdentityStore, Standing

Result = TypeVar("Result")

SYSTEM: Final = "system"
"""The actor of commands that run on the database host, without a call."""

PAGE: Final = 1000
EXCHANGE: Final = "towpath.api.v1.AuthService/ExchangeToken"
OPERATOR: Final = "operator"
_LAST: Final = (1 << 63) - 1


@dataclass(slots=True)
class Draft:
    """An entry that is written once the outcome of its call is known."""

    record: AuditRecord
    written: bool = False


current_draft: ContextVar[Draft | None] = ContextVar("towpath_audit_draft", default=None)
"""The draft of the call that this task runs; None for a call that isn't audited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Some of an audit log."""

    entries: list[tuple[AuditRecord, str]]
    """With their hashes, newest first."""
    head: AuditHead
    sealed: bool
    """Whether the end of the log carries the service's own seal."""


class AuditTrail:
    """The audit logs of one installation."""

    def __init__(self, store: IdentityStore, authority: Authority) -> None:
        self._store = store
        self._authority = authority

    async def change(self, tenant_id: str, work: Callable[[Identity], Result]) -> Result:
        """Changes something of a tenant, and records the call in its audit log.

        Both are one transaction; callers' rights are read anew after it.
        """
        draft = current_draft.get()

        def recorded(identity: Identity) -> Result:
            identity.tenant.touch()
            result = work(identity)
            if draft is not None:
                identity.audit.append(draft.record, self._sealing(tenant_id))
            return result

        result = await self._store.tenant(tenant_id, recorded)
        if draft is not None:
            draft.written = True
        await self._authority.forget(tenant_id)
        return result

    def begin(self, identity: Identity, tenant_id: str) -> None:
        """Begins the log of a tenant that has none, in the transaction that makes the tenant."""
        identity.audit.begin(self._sealing(tenant_id))

    def add(
        self, identity: Identity, standing: Standing, *, action: str, outcome: str, address: str
    ) -> None:
        """Writes the entry of a credential exchange, in the transaction of the exchange."""
        record = AuditRecord(
            tenant_id=standing.tenant.tenant_id,
            sequence=0,
            recorded_us=0,
            actor=standing.principal.name,
            credential_id=standing.key.key_id,
            action=action,
            method=EXCHANGE,
            resource=standing.principal.name,
            outcome=outcome,
            reason="" if outcome == "OK" else "CREDENTIAL_REVOKED",
            address=address,
            trace_id="",
            request="",
        )
        identity.audit.append(record, self._sealing(record.tenant_id))

    def add_by_system(
        self, identity: Identity, *, action: str, command: str, resource: str
    ) -> None:
        """Records an action of a command on the database host in the operator's log.

        Args:
            identity: The transaction of the action, on the first tenant.
            action: The action, such as "owner.recover".
            command: The command, such as "towpath server recover-owner".
            resource: Name of the resource that it changed.
        """
        record = AuditRecord(
            tenant_id=LOCAL_TENANT_ID,
            sequence=0,
            recorded_us=0,
            actor=SYSTEM,
            credential_id="",
            action=action,
            method=command,
            resource=resource,
            outcome="OK",
            reason="",
            address="",
            trace_id="",
            request="",
        )
        identity.audit.append(record, self._sealing(LOCAL_TENANT_ID))

    async def note_by_system(self, *, action: str, command: str, resource: str) -> None:
        """Records an action as `add_by_system` does, in a transaction of its own after it."""
        await self._store.tenant(
            LOCAL_TENANT_ID,
            lambda identity: self.add_by_system(
                identity, action=action, command=command, resource=resource
            ),
        )

    async def write(self, draft: Draft, *, outcome: str, reason: str) -> None:
        """Writes the entry of a call that has ended."""
        record = replace(draft.record, outcome=outcome, reason=reason)
        seal = self._sealing(record.tenant_id)
        await self._store.tenant(
            record.tenant_id, lambda identity: identity.audit.append(record, seal)
        )
        draft.written = True

    async def tell(self, tenant_id: str) -> None:
        """Writes the current call into the log of the tenant that it changed, too.

        The operator's own log names the person. The tenant's log names "the operator" only.
        """
        draft = current_draft.get()
        if draft is None or draft.record.tenant_id == tenant_id:
            return
        record = replace(
            draft.record,
            tenant_id=tenant_id,
            actor=OPERATOR,
            credential_id="",
            address="",
            trace_id="",
        )
        seal = self._sealing(tenant_id)
        await self._store.tenant(tenant_id, lambda identity: identity.audit.append(record, seal))

    async def read(self, caller: Caller, *, before: int, limit: int) -> AuditPage:
        """A page of a tenant's log, newest first.

        Args:
            caller: A member of the tenant.
            before: Only entries below this sequence; 0 for all.
            limit: Most entries to return.
        """
        found = await self._store.tenant(
            caller.tenant_id,
            lambda identity: identity.audit.read(before=before or _LAST, limit=min(limit, PAGE)),
        )
        expected = self._sealing(caller.tenant_id)(found.head)
        # Each log has a sealed end: an end without a seal isn't the service's.
        sealed = bool(found.seal) and hmac.compare_digest(expected.encode(), found.seal.encode())
        return AuditPage(entries=found.entries, head=found.head, sealed=sealed)

    def _sealing(self, tenant_id: str) -> _Seal:
        return _Seal(self._authority.ring.audit, tenant_id)


class _Seal:
    def __init__(self, key: bytes, tenant_id: str) -> None:
        self._key = key
        self._tenant_id = tenant_id

    def __call__(self, head: AuditHead) -> str:
        content = f"{self._tenant_id} {head.sequence} {head.hash}"
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()
