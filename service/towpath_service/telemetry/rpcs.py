"""Telemetry of calls: a span for each unary call, a measurement for each, and the lag of watches.

A stream has no span: it lasts for a quarter of an hour, and its batches have their own spans.
"""

from __future__ import annotations

import time
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from towpath_service.core.errors import ServiceError
from towpath_service.rpc.errors import CODES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence

    from google.protobuf.message import Message
    from opentelemetry.trace import Tracer

    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.rpc.endpoints import Endpoint
    from towpath_service.telemetry.metrics import Instruments

METHOD: Final = "rpc.method"
SYSTEM: Final = "rpc.system.name"
STATUS: Final = "rpc.status_code"
ERROR: Final = "error.type"
REASON: Final = "towpath.error.reason"
_SERVERS_FAULT: Final = frozenset({"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN"})


class ObservedDispatcher:
    """A dispatcher with spans and measurements of its calls."""

    def __init__(self, inner: Dispatching, tracer: Tracer, instruments: Instruments) -> None:
        """Wraps the inner dispatcher, which does the work."""
        self._inner = inner
        self._tracer = tracer
        self._instruments = instruments
        self.endpoints = inner.endpoints

    @property
    def services(self) -> list[str]:
        """Full names of the services."""
        return self._inner.services

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint with a name; raises ServiceError when there is none."""
        return self._inner.endpoint(name)

    async def unary(self, endpoint: Endpoint, request: Any, metadata: Any) -> Message:
        """Calls a unary rpc."""
        common = {SYSTEM: _system(metadata), METHOD: endpoint.name}
        began = time.perf_counter()
        status = "OK"
        with self._tracer.start_as_current_span(
            endpoint.name,
            context=propagate.extract({key: values[-1] for key, values in metadata.items()}),
            kind=SpanKind.SERVER,
            attributes=common,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await self._inner.unary(endpoint, request, metadata)
            except ServiceError as error:
                status = code_of(error)
                _fail(span, error, status)
                raise
            finally:
                span.set_attribute(STATUS, status)
                measured = {**common, STATUS: status} | ({ERROR: status} if status != "OK" else {})
                self._instruments.rpc_duration.record(time.perf_counter() - began, measured)

    async def server_stream(
        self, endpoint: Endpoint, request: Any, metadata: Any
    ) -> AsyncGenerator[Message, None]:
        """Calls a server-streaming rpc."""
        lag = _Lag(self._instruments, endpoint.name)
        with self._open(endpoint):
            async with aclosing(self._inner.server_stream(endpoint, request, metadata)) as answers:
                async for answer in answers:
                    lag.measure(answer)
                    yield answer

    async def bidi_stream(
        self, endpoint: Endpoint, requests: AsyncIterator[Any], metadata: Any
    ) -> AsyncGenerator[Message, None]:
        """Calls a bidirectional rpc."""
        with self._open(endpoint):
            async with aclosing(self._inner.bidi_stream(endpoint, requests, metadata)) as answers:
                async for answer in answers:
                    yield answer

    @contextmanager
    def _open(self, endpoint: Endpoint) -> Generator[None]:
        attributes = {METHOD: endpoint.name}
        self._instruments.open_streams.add(1, attributes)
        try:
            yield
        finally:
            self._instruments.open_streams.add(-1, attributes)


class _Lag:
    """The lag of a watch's events, once it has caught up."""

    def __init__(self, instruments: Instruments, name: str) -> None:
        self._instruments = instruments
        self._attributes = {METHOD: name}
        self._watches = "/Watch" in name
        self._opened = time.time()

    def measure(self, answer: Any) -> None:
        """Measures the lag of the newest transition in a response."""
        if not self._watches or not getattr(answer, "transitions", None):
            return
        recorded = answer.transitions[-1].record_time
        at = recorded.seconds + recorded.nanos / 1e9
        if at >= self._opened:
            self._instruments.watch_lag.record(max(0.0, time.time() - at), self._attributes)


def code_of(error: ServiceError) -> str:
    """The name of an error's gRPC status."""
    return CODES.get(error.reason, "INTERNAL")


def _fail(span: trace.Span, error: ServiceError, status: str) -> None:
    span.set_attribute(ERROR, status)
    span.set_attribute(REASON, error.reason)
    # A caller's mistake isn't an error of the service.
    if status in _SERVERS_FAULT:
        span.set_status(Status(StatusCode.ERROR, error.message))


def _system(metadata: Mapping[str, Sequence[str]]) -> str:
    return "connectrpc" if "connect-protocol-version" in metadata else "grpc"
