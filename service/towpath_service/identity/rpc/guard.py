"""The guard around every call of a service with identity: limits, and the audit log."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format, text_format
from google.protobuf.message import Message
from towpath.api.v1 import access_rule_pb2
from towpath_auth.audit import AuditRecord

from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.audit import Draft, current_draft
from towpath_service.rpc.errors import CODES, to_service_error
from towpath_service.rpc.rules import field_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from google.protobuf.descriptor import Descriptor
    from towpath_auth import Caller

    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.identity.application.address_limits import AddressLimits
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.rpc.endpoints import Endpoint
from towpath_service.rpc.guard import UNRECORDED, CallRecord

EXCHANGE: Final = "towpath.api.v1.AuthService/ExchangeToken"
"""Methods whose handler charges the owner of the credential, once it is known."""

REDACTED: Final = "***"
MOST_CHARACTERS: Final = 2000
SETTLE_SECONDS: Final = 5.0
_TRACE_ID: Final = slice(3, 35)


class IdentityGuard:
    """Limits and audits calls."""

    def __init__(
        self, tenant_limits: TenantLimits, address_limits: AddressLimits, trail: AuditTrail
    ) -> None:
        self._tenant_limits = tenant_limits
        self._address_limits = address_limits
        self._trail = trail
        self._under_way: set[asyncio.Task[Message]] = set()

    def admit(self, endpoint: Endpoint, caller: Caller) -> None:
        """Charges the caller for a call; raises QUOTA_EXCEEDED."""
        if endpoint.rule.level != "public":
            self._tenant_limits.admit(caller, endpoint.rule.cost)
        elif endpoint.name != EXCHANGE:
            self._address_limits.admit(caller.address, endpoint.rule.cost)

    def stream(self, endpoint: Endpoint, caller: Caller) -> AbstractContextManager[None]:
        """Counts an open stream; raises QUOTA_EXCEEDED."""
        watches = endpoint.kind == "server_stream"
        return self._tenant_limits.stream(caller, "open_watches" if watches else "open_streams")

    async def audited(
        self,
        endpoint: Endpoint,
        caller: Caller,
        metadata: Mapping[str, Sequence[str]],
        call: Callable[[CallRecord], Awaitable[Message]],
    ) -> Message:
        """Makes a call, and writes its outcome into the audit log if the method is audited.

        An audited call runs to its end even if its caller disconnects or loses its rights. A change
        that has begun can't be undone, and each change has an entry.
        """
        if not endpoint.rule.audit or not caller.tenant_id:
            return await call(UNRECORDED)
        drafting = _Drafting(endpoint, _first_record(endpoint, caller, metadata))
        task = asyncio.create_task(self._audited(drafting, call))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Waits some seconds at most for calls whose callers have disconnected."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=SETTLE_SECONDS)

    async def _audited(
        self, record: _Drafting, call: Callable[[CallRecord], Awaitable[Message]]
    ) -> Message:
        current_draft.set(record.draft)
        try:
            answer = await call(record)
        except Exception as error:
            failure = to_service_error(error)
            await self._trail.write(
                record.draft, outcome=CODES.get(failure.reason, "INTERNAL"), reason=failure.reason
            )
            raise failure from error
        if not record.draft.written:
            await self._trail.write(record.draft, outcome="OK", reason="")
        return answer


class _Drafting:
    def __init__(self, endpoint: Endpoint, record: AuditRecord) -> None:
        self.draft = Draft(record)
        self._rule = endpoint.rule

    def request(self, message: Message) -> None:
        path = self._rule.resource_field or self._rule.workspace_field
        resource = field_of(message, path) if path else ""
        # Recorded before the request is validated: PostgreSQL can't store this character.
        resource = resource[:MOST_CHARACTERS].replace("\0", "\N{REPLACEMENT CHARACTER}")
        self.draft.record = replace(self.draft.record, resource=resource, request=shown(message))

    def refused(self, parse: Callable[[], Message]) -> None:
        with suppress(ServiceError):
            self.request(parse())


def shown(message: Message) -> str:
    """A request as JSON for the audit log: without secrets, and cut if it is long.

    A request without a JSON form is a string in the text format of protocol buffers.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    _redact(copy)
    try:
        content: Any = json_format.MessageToDict(copy, preserving_proto_field_name=True)
    except (ValueError, json_format.Error):
        # A span or mask without a JSON form: the request is recorded before it is validated.
        content = text_format.MessageToString(copy, as_one_line=True)
    text = json.dumps(content, ensure_ascii=False)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def _redact(message: Message) -> None:
    for field, value in message.ListFields():
        options: Any = field.GetOptions()
        if options.debug_redact or options.Extensions[access_rule_pb2.sensitive]:
            _blank(message, field.name)
        elif field.message_type is not None:
            for part in _messages(field.message_type, value):
                _redact(part)


def _messages(kind: Descriptor, value: Any) -> Iterable[Message]:
    """The messages in a field: the one, those of a list, or the values of a map."""
    if isinstance(value, Message):
        return (value,)
    if kind.GetOptions().map_entry:
        return [part for part in value.values() if isinstance(part, Message)]
    parts: Iterable[Message] = value
    return parts


def _blank(message: Any, name: str) -> None:
    if isinstance(getattr(message, name), str):
        setattr(message, name, REDACTED)
    else:
        message.ClearField(name)


def _first_record(
    endpoint: Endpoint, caller: Caller, metadata: Mapping[str, Sequence[str]]
) -> AuditRecord:
    traceparent = metadata.get("traceparent", ("",))[0]
    return AuditRecord(
        tenant_id=caller.tenant_id,
        sequence=0,
        recorded_us=0,
        actor=caller.principal,
        credential_id=caller.credential_id,
        action=endpoint.rule.audit,
        method=endpoint.name,
        resource="",
        outcome="OK",
        reason="",
        address=caller.address,
        trace_id=traceparent[_TRACE_ID][:32],
        request="",
    )
