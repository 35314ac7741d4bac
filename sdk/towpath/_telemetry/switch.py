"""Loads OpenTelemetry only in processes that use it; all other code calls it through here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towpath._telemetry.environment import wanted_by_environment

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


def call_metadata() -> dict[str, str]:
    """Returns the current trace context for a call to the service; empty without a trace."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    # The API of OpenTelemetry takes a tenth of a second to load: only users of it pay for it.
    from towpath._telemetry import carriers  # noqa: PLC0415 - loads with OpenTelemetry's API

    return carriers.current_carrier()


def end_of_process() -> None:
    """Sends the remaining spans within a bounded time, in a process that is about to end."""
    if "opentelemetry.sdk.trace" in sys.modules:
        from towpath._telemetry import tracers  # noqa: PLC0415 - loads with OpenTelemetry's API

        tracers.end()


def current_tracer() -> Tracer | None:
    """Returns the tracer for runs that begin now; None when no exporter would get their spans.

    OpenTelemetry is loaded only if the environment asks for traces or the process uses it itself.
    """
    if "opentelemetry.trace" not in sys.modules and not wanted_by_environment():
        return None
    from towpath._telemetry import tracers  # noqa: PLC0415 - loads with OpenTelemetry's API

    return tracers.current_tracer()
