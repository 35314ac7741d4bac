"""Endpoints: the contract's rpcs with their handlers, made from its descriptors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

from towpath_service.core.errors import ServiceError
from towpath_service.rpc.field_counts import has_more_fields
from towpath_service.rpc.rules import Rule, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import MethodDescriptor

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""Largest message that the service accepts: bytes."""

MAX_REQUEST_BYTES: Final = 256 * 1024
"""Largest request of an rpc without batches: a parsed message takes many times its size."""

MAX_JSON_BYTES: Final = 512 * 1024
"""Largest batch in JSON, which takes a hundred times as long to parse as binary. It has room for
the largest payload that is stored inline."""

COUNTED_BYTES: Final = 1024 * 1024 + 64 * 1024
"""Largest batch that is parsed without a count of its fields. Producers' batches are no larger,
except for single updates."""

MAX_FIELDS: Final = 100_000
"""Most fields of a larger batch: an empty message takes two bytes on the wire, 100 in memory."""

BATCHES: Final = frozenset(
    {
        "towpath.api.v1.IngestService/StreamUpdates",
        "towpath.api.v1.IngestService/RecordUpdates",
        "towpath.api.v1.LogService/WriteLogs",
        "towpath.api.v1.WorkService/AttachWorker",
    }
)
"""Rpcs that take batches. A part that breaks a rule gets a verdict of its own, so their
handlers check the rules, not the dispatcher."""

PEER: Final = ":peer"
"""Metadata key of the caller's address, set by transports; no client can send it."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """A request in JSON, not parsed yet."""

    content: bytes


Request = bytes | JsonText | Message
"""A request as transports pass it on."""

Kind = Literal["unary", "server_stream", "bidi_stream"]


class Handler(Protocol):
    """Implements rpcs of one service, each as a method named in snake_case.

    A service with several resources may have a handler for each of them.
    """

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
    """Whether the contract marks it as free of side effects: it may be called by HTTP GET."""
    rule: Rule
    """The permission that its caller needs, and its audit event."""

    @property
    def takes_batches(self) -> bool:
        """Whether the handler validates the request itself, part by part."""
        return self.name in BATCHES

    @property
    def max_bytes(self) -> int:
        """Largest request that is parsed: bytes."""
        return MAX_MESSAGE_BYTES if self.takes_batches else MAX_REQUEST_BYTES

    def parse(self, request: Request) -> Message:
        """Parses a request, unless it is parsed already.

        Raises:
            ServiceError: PAYLOAD_TOO_LARGE, or INVALID_REQUEST when it isn't such a message.
        """
        if isinstance(request, Message):
            self._check_size(request.ByteSize(), self.max_bytes)
            return request
        if isinstance(request, JsonText):
            self._check_size(len(request.content), min(self.max_bytes, MAX_JSON_BYTES))
            return _from_json(request.content, self.request_type)
        self._check_size(len(request), self.max_bytes)
        if len(request) > COUNTED_BYTES:
            self._check_fields(request)
        message = self.request_type()
        try:
            message.ParseFromString(request)
        except DecodeError:
            raise not_a(self.request_type) from None
        return message

    @staticmethod
    def _check_size(size: int, most: int) -> None:
        if size > most:
            raise ServiceError(
                reason="PAYLOAD_TOO_LARGE",
                message=f"the request has {size} bytes; at most {most} are allowed",
                metadata={"limit_bytes": str(most), "actual_bytes": str(size)},
            )

    def _check_fields(self, request: bytes) -> None:
        kind: Any = self.request_type.DESCRIPTOR
        if has_more_fields(request, kind, MAX_FIELDS):
            raise ServiceError(
                reason="PAYLOAD_TOO_LARGE",
                message=f"the request has more than {MAX_FIELDS} fields: send smaller batches",
                metadata={"limit_bytes": str(COUNTED_BYTES), "actual_bytes": str(len(request))},
            )


def _from_json(content: bytes, request_type: type[Message]) -> Message:
    message = request_type()
    try:
        json_format.Parse(content, message, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise not_a(request_type, str(error)) from None
    except (ValueError, RecursionError, TypeError, AttributeError):
        # For example bytes that aren't UTF-8, or numbers out of range.
        raise not_a(request_type) from None
    return message


def not_a(request_type: type[Message], why: str = "") -> ServiceError:
    """The error for bytes or JSON that aren't a message of a type."""
    name = request_type.DESCRIPTOR.full_name
    return ServiceError(
        reason="INVALID_REQUEST", message=f"the request is no {name}{why and f': {why}'}"
    )


def endpoints_of(handlers: Iterable[Handler]) -> dict[str, Endpoint]:
    """The endpoints of handlers, by name.

    Args:
        handlers: One or several for each service; exactly one implements each rpc.

    Raises:
        LookupError: An rpc has no handler or several, or the
            contract doesn't say who may call it.
    """
    by_service: dict[str, list[Handler]] = {}
    for handler in handlers:
        by_service.setdefault(handler.service, []).append(handler)
    pool = descriptor_pool.Default()
    endpoints: dict[str, Endpoint] = {}
    for service_name, of_service in by_service.items():
        for method in pool.FindServiceByName(service_name).methods:
            name = f"{service_name}/{method.name}"
            endpoints[name] = _endpoint(name, method, _implementation(name, method, of_service))
    return endpoints


def _implementation(name: str, method: MethodDescriptor, handlers: Iterable[Handler]) -> Any:
    attribute = _snake(method.name)
    found = [
        call for handler in handlers if (call := getattr(handler, attribute, None)) is not None
    ]
    if not found:
        raise LookupError(f"nothing implements {name}")
    if len(found) > 1:
        raise LookupError(f"{len(found)} handlers implement {name}")
    return found[0]


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
