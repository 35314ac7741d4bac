"""An exporter whose troubles are its own: one warning, no traceback, no wait without an end."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_log: Final = logging.getLogger("towpath.telemetry")
_TALKATIVE: Final = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.sdk._shared_internal",
)


class QuietExporter(SpanExporter):
    """Exports by another exporter, of which a forked child makes one of its own."""

    def __init__(self, make: Callable[[], SpanExporter], *, after_fork: bool, where: str) -> None:
        """Makes the exporter.

        Args:
            make: Makes it.
            after_fork: Whether a forked child may make one; else it exports nothing.
            where: What it exports to, for the warning.
        """
        self._make = make
        self._after_fork = after_fork
        self._where = where
        self._exporter = make()
        self._pid = os.getpid()
        self._warned = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports, or drops the spans and warns the first time."""
        if self._pid != os.getpid() and not self._begin_anew():
            return SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, runs go on
            self._warn(type(error).__name__)
            return SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._warn("it did not take them")
        return result

    def shutdown(self) -> None:
        """Ends the exporter."""
        if self._pid == os.getpid():
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Waits for nothing: exports are done when `export` returns."""
        del timeout_millis
        return True

    def _begin_anew(self) -> bool:
        if self._after_fork:
            self._exporter = self._make()
            self._pid = os.getpid()
        return self._after_fork

    def _warn(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "traces can't be sent to %s (%s): runs go on without them, and this is said once."
                " Check OTEL_EXPORTER_OTLP_ENDPOINT and the collector, or unset it",
                self._where,
                why,
            )


def hush_exporters() -> None:
    """Keeps exporters made here, which log every failed try, from doing so."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
