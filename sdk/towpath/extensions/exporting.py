"""Exports telemetry as the OTEL_* variables say; needs OpenTelemetry's SDK and exporters."""

from __future__ import annotations

from towpath._telemetry.exporter_logging import hush_exporters, tell_by, warn_once
from towpath._telemetry.providers import (
    endpoint,
    provider_from_environment,
    resource_of,
    speaks_grpc,
)
from towpath._telemetry.shutdown import END_SECONDS, Ending, end_within

__all__ = [
    "END_SECONDS",
    "Ending",
    "end_within",
    "endpoint",
    "hush_exporters",
    "provider_from_environment",
    "resource_of",
    "speaks_grpc",
    "tell_by",
    "warn_once",
]
