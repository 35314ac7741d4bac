"""A collector for tests: OpenTelemetry's own services over gRPC, on threads.

On threads, since a receiver on the loop of the code under test would wait for itself.
"""

from __future__ import annotations

import gzip
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """To another span."""

    trace_id: str
    span_id: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span that was received; ids in hexadecimal digits, times in ns."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    status: str
    message: str
    start: int
    end: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[Link]
    resource: dict[str, Any]
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a metric."""

    name: str
    kind: str
    unit: str
    attributes: dict[str, Any]
    value: float
    """Of a histogram, the sum."""
    count: int
    """Of a histogram; otherwise 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log record."""

    body: str
    severity: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]


@dataclass(slots=True)
class Receiver:
    """Takes what is exported; `refuse` and `delay_seconds` make it a bad one."""

    spans: list[Span] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    refuse: bool = False
    delay_seconds: float = 0.0
    calls: int = 0
    port: int = 0
    http: bool = False
    """Takes traces over HTTP as well, on a port of its own, and is told to be sent to by that."""
    _server: grpc.Server | None = None
    _web: ThreadingHTTPServer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT, with the protocol grpc."""
        port = self._web.server_port if self._web is not None else self.port
        return f"http://127.0.0.1:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that have a process export to it, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf" if self.http else "grpc",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }

    def __enter__(self) -> Self:
        server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="test-receiver"))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Traces(self), server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(_Metrics(self), server)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(_Logs(self), server)
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        server.start()
        self._server = server
        if self.http:
            self._web = ThreadingHTTPServer(("127.0.0.1", 0), _web_handler(self))
            threading.Thread(target=self._web.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.stop(0).wait()
        if self._web is not None:
            self._web.shutdown()
            self._web.server_close()

    def take(self, context: Any, read: Callable[[], None]) -> None:
        """Notes what a call brought, unless this is a bad day."""
        with self._lock:
            self.calls += 1
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        if self.refuse:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not today")
        with self._lock:
            read()

    def wait_for(self, enough: Callable[[Receiver], object], what: str) -> None:
        """Waits until enough has come; fails with what is missing."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not enough(self):
            if time.monotonic() > deadline:
                names = sorted({span.name for span in self.spans})
                raise AssertionError(f"no {what}; spans are {names}")
            time.sleep(0.02)

    def named(self, name: str) -> list[Span]:
        """The spans of a name, in the order of their starts."""
        return sorted((s for s in self.spans if s.name == name), key=lambda span: span.start)


def _web_handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
                _Traces(receiver).Export(request, None)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    return Handler


class _Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the contract has it
        def read() -> None:
            for group in request.resource_spans:
                resource = _values(group.resource.attributes)
                for scoped in group.scope_spans:
                    for span in scoped.spans:
                        self._receiver.spans.append(_span(span, resource, scoped.scope.name))

        self._receiver.take(context, read)
        return trace_service_pb2.ExportTraceServiceResponse()


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the contract has it
        def read() -> None:
            for group in request.resource_metrics:
                for scoped in group.scope_metrics:
                    for metric in scoped.metrics:
                        self._receiver.points.extend(_points(metric))

        self._receiver.take(context, read)
        return metrics_service_pb2.ExportMetricsServiceResponse()


class _Logs(logs_service_pb2_grpc.LogsServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the contract has it
        def read() -> None:
            for group in request.resource_logs:
                for scoped in group.scope_logs:
                    self._receiver.logs.extend(map(_log, scoped.log_records))

        self._receiver.take(context, read)
        return logs_service_pb2.ExportLogsServiceResponse()


def _span(span: Any, resource: dict[str, Any], scope: str) -> Span:
    return Span(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        message=span.status.message,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_values(span.attributes),
        events=[(event.name, _values(event.attributes)) for event in span.events],
        links=[
            Link(
                trace_id=link.trace_id.hex(),
                span_id=link.span_id.hex(),
                attributes=_values(link.attributes),
            )
            for link in span.links
        ],
        resource=resource,
        scope=scope,
    )


def _points(metric: Any) -> Iterable[Point]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        histogram = kind == "histogram"
        value = point.sum if histogram else getattr(point, point.WhichOneof("value"))
        yield Point(
            name=metric.name,
            kind=kind,
            unit=metric.unit,
            attributes=_values(point.attributes),
            value=value,
            count=point.count if histogram else 1,
        )


def _log(record: Any) -> Log:
    return Log(
        body=record.body.string_value,
        severity=record.severity_text,
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        attributes=_values(record.attributes),
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {item.key: _value(item.value) for item in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
