"""Telemetry of a server process, if anybody asks for any."""

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
    """What tells of a server."""

    wrapping: Wrapping
    metrics: Callable[[], tuple[bytes, str]] | None
    """All metrics for Prometheus, and their content type."""


def roots_only() -> Wrapping:
    """What tells of a service inside this process, which has a tracer or not."""
    tracer = current_tracer()
    if not hasattr(tracer, "span_processor"):
        return Wrapping()
    from towpath_service.telemetry.embedded import RootsOnly  # noqa: PLC0415 - needs OpenTelemetry's SDK

    return RootsOnly(cast("Tracer", tracer))


def observe(*, metrics: bool) -> Observed:
    """What tells of a server, as the environment and the command line want it.

    Raises:
        ServiceError: FEATURE_DISABLED: something is wanted that isn't installed.
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
