"""The way to OpenTelemetry for processes that may not use it: it loads when it is wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towpath._telemetry.environment import wanted_by_environment

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


def call_metadata() -> dict[str, str]:
    """The present trace context for a call to the service; empty where nothing is traced."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    # The API of OpenTelemetry takes a tenth of a second to load: only users of it pay for it.
    from towpath._telemetry import carriers  # noqa: PLC0415 - loads with OpenTelemetry's API

    return carriers.current_carrier()


def end_of_process() -> None:
    """Sends what spans are left, within a bounded time; for a process that ends at once."""
    if "opentelemetry.sdk.trace" in sys.modules:
        from towpath._telemetry import tracers  # noqa: PLC0415 - loads with OpenTelemetry's API

        tracers.end()


def current_tracer() -> Tracer | None:
    """The tracer for runs that begin now; None when their spans would go nowhere.

    A process pays for this only when its environment asks for traces, or when it uses OpenTelemetry
    itself.
    """
    if "opentelemetry.trace" not in sys.modules and not wanted_by_environment():
        return None
    from towpath._telemetry import tracers  # noqa: PLC0415 - loads with OpenTelemetry's API

    return tracers.current_tracer()
