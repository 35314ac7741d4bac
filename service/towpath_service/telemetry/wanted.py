"""The telemetry that the environment and options ask for; imports no OpenTelemetry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import util
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTRA: Final = "pip install 'towpath[otel]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The wanted signals and their exporters."""

    traces: bool = False
    prometheus: bool = False
    """Metrics at /metrics of the web port."""
    otlp_metrics: bool = False

    @property
    def anything(self) -> bool:
        """Whether any telemetry is wanted."""
        return self.traces or self.metrics

    @property
    def metrics(self) -> bool:
        """Whether metrics are exported anywhere."""
        return self.prometheus or self.otlp_metrics


def wanted(*, metrics: bool, environment: Mapping[str, str] = os.environ) -> Wanted:
    """Reads the wanted telemetry.

    Args:
        metrics: Whether the command line asks for /metrics.
        environment: Holds the standard OTEL_* variables.

    Raises:
        ServiceError: FEATURE_DISABLED: the command line needs a package that isn't installed.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Wanted()
    traces, measured = _exporters(environment, "TRACES"), _exporters(environment, "METRICS")
    found = Wanted(
        traces=bool(traces),
        prometheus=metrics or "prometheus" in measured,
        otlp_metrics="otlp" in measured,
    )
    if not found.anything or util.find_spec("opentelemetry.sdk") is not None:
        return found
    if metrics:
        raise ServiceError(
            reason="FEATURE_DISABLED",
            message=f"--metrics needs OpenTelemetry's SDK, which is not installed: {EXTRA}",
        )
    return Wanted()


def _exporters(environment: Mapping[str, str], signal: str) -> set[str]:
    written = environment.get(f"OTEL_{signal}_EXPORTER", "").strip().lower()
    if written:
        return {name.strip() for name in written.split(",")} - {"", "none"}
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    return {"otlp"} if any(environment.get(name, "").strip() for name in endpoints) else set()
