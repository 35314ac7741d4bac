"""Sends log records to a collector; used by logs.py when the environment asks for it."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as by_grpc
from opentelemetry.exporter.otlp.proto.http import _log_exporter as by_http
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from towpath.extensions.exporting import (
    END_SECONDS,
    Ending,
    hush_exporters,
    resource_of,
    speaks_grpc,
)

if TYPE_CHECKING:
    import logging


def handler_to_collector() -> logging.Handler:
    """A handler that sends records by OTLP, the last ones at the end of the process."""
    hush_exporters()
    exporter: Any = by_grpc if speaks_grpc("LOGS") else by_http
    provider = LoggerProvider(resource=resource_of("towpath-service"), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter.OTLPLogExporter()))
    atexit.register(Ending(provider.shutdown).within, END_SECONDS)
    return LoggingHandler(logger_provider=provider)
