"""The rpcs of the contract with what implements them, made from the contract's descriptors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from towpath_service.domain.errors import ServiceError
from towpath_service.rpc.rules import Rule, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import MethodDescriptor

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""Largest message the service takes at all."""

MAX_REQUEST_BYTES: Final = 256 * 1024
"""Largest request of an rpc that takes no batches: parsed messages are many times their size."""

BATCHES: Final = frozenset(
    {
        "towpath.api.v1.IngestService/StreamUpdates",
        "towpath.api.v1.IngestService/RecordUpdates",
        "towpath.api.v1.LogService/WriteLogs",
    }
)
"""Rpcs that take many parts at once. A part that breaks a rule gets a verdict of its own, so their
handlers check the rules, not the dispatcher."""

PEER: Final = ":peer"
"""Key of metadata under which transports put the address of who calls; no client can send it."""

Kind = Literal["unary", "server_stream", "bidi_stream"]


class Handler(Protocol):
    """Implements the rpcs of one service, a method each, named in snake_case."""

    service: ClassVar[str]
    """Full name of the service, "towpath.api.v1.RunService"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One rpc with its implementation."""

    name: str
    """"towpath.api.v1.RunService/GetRun"."""
    kind: Kind
    request_type: type[Message]
    response_type: type[Message]
    call: Any
    """The handler's method: awaitable when unary, else an async generator function."""
    without_side_effects: bool
    """Whether the contract says so: such calls may come as HTTP GET."""
    rule: Rule
    """What it asks of its caller."""

    @property
    def takes_batches(self) -> bool:
        """Whether the handler checks the rules of what it gets, part by part."""
        return self.name in BATCHES

    @property
    def max_bytes(self) -> int:
        """Largest request that is parsed."""
        return MAX_MESSAGE_BYTES if self.takes_batches else MAX_REQUEST_BYTES

    def parse(self, request: bytes | Message) -> Message:
        """Parses a request, unless it is parsed already.

        Raises:
            ServiceError: PAYLOAD_TOO_LARGE, or INVALID_REQUEST when it is no such message.
        """
        size = len(request) if isinstance(request, bytes) else request.ByteSize()
        if size > self.max_bytes:
            raise ServiceError(
                reason="PAYLOAD_TOO_LARGE",
                message=f"the request has {size} bytes, and at most {self.max_bytes} are taken",
                metadata={"limit_bytes": str(self.max_bytes), "actual_bytes": str(size)},
            )
        if isinstance(request, Message):
            return request
        message = self.request_type()
        try:
            message.ParseFromString(request)
        except DecodeError:
            raise not_a(self.request_type) from None
        return message


def not_a(request_type: type[Message], why: str = "") -> ServiceError:
    """The answer to bytes or JSON that are no message of a type."""
    name = request_type.DESCRIPTOR.full_name
    return ServiceError(
        reason="INVALID_REQUEST", message=f"the request is no {name}{why and f': {why}'}"
    )


def endpoints_of(handlers: Iterable[Handler]) -> dict[str, Endpoint]:
    """The endpoints of handlers, by name.

    Raises:
        LookupError: A handler lacks one of its service's methods, or the contract doesn't say who
            may call one.
    """
    pool = descriptor_pool.Default()
    endpoints: dict[str, Endpoint] = {}
    for handler in handlers:
        service = pool.FindServiceByName(handler.service)
        for method in service.methods:
            call = getattr(handler, _snake(method.name), None)
            if call is None:
                raise LookupError(f"nothing implements {service.full_name}/{method.name}")
            endpoint = _endpoint(f"{service.full_name}/{method.name}", method, call)
            endpoints[endpoint.name] = endpoint
    return endpoints


def _endpoint(name: str, method: MethodDescriptor, call: Any) -> Endpoint:
    options = method.GetOptions()
    return Endpoint(
        name=name,
        kind=_kind(method),
        request_type=message_factory.GetMessageClass(method.input_type),
        response_type=message_factory.GetMessageClass(method.output_type),
        call=call,
        without_side_effects=options.idempotency_level == options.NO_SIDE_EFFECTS,
        rule=rule_of(method),
    )


def _kind(method: Any) -> Kind:
    if method.client_streaming:
        return "bidi_stream"
    return "server_stream" if method.server_streaming else "unary"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
