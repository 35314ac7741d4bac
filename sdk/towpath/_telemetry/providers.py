"""A provider of traces by the standard OTEL_* variables, for processes that have set none."""

from __future__ import annotations

import atexit
import logging
import os
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as by_grpc
from opentelemetry.exporter.otlp.proto.http import trace_exporter as by_http
from opentelemetry.sdk.environment_variables import OTEL_SERVICE_NAME
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
)

from towpath._telemetry.exporter_logging import QuietExporter, hush_exporters, warn_once
from towpath._telemetry.shutdown import END_SECONDS, Ending

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler

_log: Final = logging.getLogger("towpath.telemetry")
_GRPC_PORT: Final = 4317


def provider_from_environment(
    service_name: str, *, sampler: Sampler | None = None, ids: IdGenerator | None = None
) -> TracerProvider | None:
    """Makes a provider that exports as the environment says; returns None if that isn't possible.

    Args:
        service_name: Name of the service if the environment gives none.
        sampler: Sampler; None for that of OTEL_TRACES_SAMPLER.
        ids: Generator of ids; None for random ones.
    """
    processors = [_processor(name) for name in exporter_names("OTEL_TRACES_EXPORTER")]
    known = [processor for processor in processors if processor is not None]
    if not known:
        return None
    provider = TracerProvider(
        resource=resource_of(service_name),
        sampler=sampler,
        id_generator=ids,
        shutdown_on_exit=False,
    )
    for processor in known:
        provider.add_span_processor(processor)
    atexit.register(end, Ending(provider.shutdown))
    return provider


def end(ending: Ending) -> None:
    """Sends the remaining spans within a bounded time, and warns when the time was too short."""
    if not ending.within(END_SECONDS):
        warn_once("traces", endpoint("TRACES"), f"it did not answer within {END_SECONDS:g} s")


def resource_of(service_name: str) -> Resource:
    """Returns the attributes of this process for spans and metrics."""
    named = os.environ.get(OTEL_SERVICE_NAME) or OTELResourceDetector().detect().attributes.get(
        SERVICE_NAME
    )
    return Resource.create({} if named else {SERVICE_NAME: service_name})


def exporter_names(variable: str) -> list[str]:
    """Returns the exporters that a variable lists; OTLP when it is not set."""
    written = os.environ.get(variable, "").strip().lower() or "otlp"
    return [name.strip() for name in written.split(",") if name.strip() not in {"", "none"}]


def speaks_grpc(signal: str) -> bool:
    """Whether a signal (TRACES, METRICS or LOGS) goes over gRPC; else it goes over HTTP.

    The protocol's variables decide; without them the port does, as 4317 is that of gRPC.
    """
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if protocol := os.environ.get(name, "").strip().lower():
            return protocol == "grpc"
    return urlsplit(endpoint(signal)).port == _GRPC_PORT


def endpoint(signal: str) -> str:
    """Returns a signal's endpoint, for messages and for the choice of a protocol."""
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if written := os.environ.get(name, "").strip():
            return written if "//" in written else f"//{written}"
    return "http://localhost:4318"


def _processor(name: str) -> SpanProcessor | None:
    if name == "console":
        return SimpleSpanProcessor(ConsoleSpanExporter())
    if name != "otlp":
        _log.warning(
            "OTEL_TRACES_EXPORTER names %r, which is not known here: otlp, console or none", name
        )
        return None
    hush_exporters()
    grpc = speaks_grpc("TRACES")
    exporter: type[SpanExporter] = by_grpc.OTLPSpanExporter if grpc else by_http.OTLPSpanExporter
    # gRPC does not survive a fork; connections over HTTP are made anew in the child.
    quiet = QuietExporter(exporter, after_fork=not grpc, where=endpoint("TRACES"))
    return BatchSpanProcessor(quiet)
