"""Chooses the telemetry of a process, by its environment and options; used by the wiring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from towpath.extensions.tracing import current_tracer

from towpath_service.telemetry.wanted import wanted
from towpath_service.telemetry.wrapping import Wrapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The telemetry of a server."""

    wrapping: Wrapping
    metrics: Callable[[], tuple[bytes, str]] | None
    """All metrics for Prometheus, and their content type."""


def roots_only() -> Wrapping:
    """The telemetry of an embedded service, whose process may have a tracer."""
    tracer = current_tracer()
    if not hasattr(tracer, "span_processor"):
        return Wrapping()
    from towpath_service.telemetry.embedded import RootsOnly  # noqa: PLC0415 - needs OpenTelemetry's SDK

    return RootsOnly(cast("Tracer", tracer))


def observe(*, metrics: bool) -> Observed:
    """The telemetry of a server, as the environment and the command line configure it.

    Raises:
        ServiceError: FEATURE_DISABLED: the configuration needs a package that isn't installed.
    """
    found = wanted(metrics=metrics)
    if not found.anything:
        return Observed(wrapping=Wrapping(), metrics=None)
    # A server without telemetry is 20 MB smaller.
    from towpath_service.telemetry.measuring import prometheus_text  # noqa: PLC0415 - loads the SDK
    from towpath_service.telemetry.setup import Telemetry  # noqa: PLC0415 - loads the SDK

    return Observed(
        wrapping=Telemetry(found), metrics=prometheus_text if found.prometheus else None
    )
