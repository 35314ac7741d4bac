"""Readers of metrics: Prometheus at /metrics, and a collector by OTLP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as by_grpc
from opentelemetry.exporter.otlp.proto.http import metric_exporter as by_http
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricReader,
    PeriodicExportingMetricReader,
)
from towpath.extensions.exporting import endpoint, hush_exporters, speaks_grpc, warn_once

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

    from towpath_service.telemetry.wanted import Wanted


def readers_for(wanted: Wanted) -> list[MetricReader]:
    """The readers that are wanted."""
    readers: list[MetricReader] = []
    if wanted.prometheus:
        # It registers itself in the registry that `prometheus_text` reads.
        from opentelemetry.exporter.prometheus import (  # noqa: PLC0415 - only who wants it has it
            PrometheusMetricReader,
        )

        readers.append(PrometheusMetricReader())
    if wanted.otlp_metrics:
        hush_exporters()
        exporter: Any = by_grpc if speaks_grpc("METRICS") else by_http
        readers.append(PeriodicExportingMetricReader(_Quiet(exporter.OTLPMetricExporter())))
    return readers


def prometheus_text() -> tuple[bytes, str]:
    """All metrics as Prometheus scrapes them, and their content type."""
    from prometheus_client import (  # noqa: PLC0415 - only who wants it has it
        CONTENT_TYPE_LATEST,
        REGISTRY,
        generate_latest,
    )

    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


class _Quiet(MetricExporter):
    """Wraps an exporter, and warns once when an export fails."""

    def __init__(self, inner: MetricExporter) -> None:
        super().__init__(
            preferred_temporality=inner._preferred_temporality,  # noqa: SLF001 - no other way
            preferred_aggregation=inner._preferred_aggregation,  # noqa: SLF001 - the same
        )
        self._inner = inner

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Exports, or warns the first time."""
        try:
            inner: Any = self._inner
            result: MetricExportResult = inner.export(metrics_data, timeout_millis, **kwargs)
        except Exception:  # noqa: BLE001 - a failed export must not stop the service
            result = MetricExportResult.FAILURE
        if result is not MetricExportResult.SUCCESS:
            warn_once("metrics", endpoint("METRICS"), "it did not take them")
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Returns at once: an export is done when `export` returns."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Ends the exporter."""
        inner: Any = self._inner
        inner.shutdown(timeout_millis, **kwargs)
