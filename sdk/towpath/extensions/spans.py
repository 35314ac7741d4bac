"""Makes spans that have already ended; needs the OpenTelemetry SDK."""

from __future__ import annotations

from towpath._telemetry.synthetic import FinishedSpan, emit

__all__ = ["FinishedSpan", "emit"]
