"""An exporter whose failures cause one warning, no traceback and no endless wait."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_told: Final[set[str]] = set()
_TALKATIVE: Final = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.metrics._internal.export",
    "opentelemetry.sdk.trace",
)


class QuietExporter(SpanExporter):
    """Exports by another exporter, which is made anew in a forked child."""

    def __init__(self, make: Callable[[], SpanExporter], *, after_fork: bool, where: str) -> None:
        """Makes the exporter.

        Args:
            make: Makes it.
            after_fork: Whether a forked child may make one; else it exports nothing.
            where: Its endpoint, for the warning.
        """
        self._make = make
        self._after_fork = after_fork
        self._where = where
        self._exporter = make()
        self._pid = os.getpid()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports the spans; on failure drops them, and warns the first time."""
        if self._pid != os.getpid() and not self._begin_anew():
            return SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - runs go on after any failure
            warn_once("traces", self._where, type(error).__name__)
            return SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            warn_once("traces", self._where, "it did not take them")
        return result

    def shutdown(self) -> None:
        """Ends the exporter."""
        if self._pid == os.getpid():
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Returns at once: exports are done when `export` returns."""
        del timeout_millis
        return True

    def _begin_anew(self) -> bool:
        if self._after_fork:
            self._exporter = self._make()
            self._pid = os.getpid()
        return self._after_fork


def warn_once(signal: str, where: str, why: str) -> None:
    """Warns that a signal does not arrive; the first time only.

    Args:
        signal: "traces" or "metrics".
        where: The endpoint.
        why: The reason, for people.
    """
    if signal not in _told:
        _told.add(signal)
        _tell(
            f"{signal} can't be sent to {where} ({why}): work goes on without them, and this is"
            " said once. Check OTEL_EXPORTER_OTLP_ENDPOINT and the collector, or unset it"
        )


def tell_by(tell: Callable[[str], object]) -> None:
    """Sends the warning to a function, instead of standard error.

    Args:
        tell: Takes the warning's text.
    """
    global _tell  # noqa: PLW0603 - as global as the providers
    _tell = tell


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"towpath: {text}\n")


def hush_exporters() -> None:
    """Stops the exporters made here from logging every failed try."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


_tell: Callable[[str], object] = _to_stderr
