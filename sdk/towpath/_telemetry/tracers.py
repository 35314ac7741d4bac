"""The tracer of this process, of the global provider or of one made from the environment."""

from __future__ import annotations

import threading
from importlib import metadata, util
from typing import TYPE_CHECKING, Final

from opentelemetry import trace

from towpath._forks import in_child
from towpath._telemetry.environment import wanted_by_environment
from towpath._telemetry.shutdown import END_SECONDS, end_within

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

SERVICE_NAME: Final = "towpath-pipeline"
"""Name of processes that run flows if OTEL_SERVICE_NAME gives none."""

_lock = threading.Lock()
_known: tuple[TracerProvider, Tracer] | None = None
_asked = False


def _unlock_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread may have held it
    _lock = threading.Lock()


in_child(_unlock_in_child)


def current_tracer() -> Tracer | None:
    """Returns the global provider's tracer; makes the provider if the environment asks for one."""
    global _known  # noqa: PLW0603 - as global as the provider it belongs to
    provider = _provider()
    if provider is None:
        return None
    if _known is None or _known[0] is not provider:
        _known = (provider, provider.get_tracer("towpath", metadata.version("towpath")))
    return _known[1]


def end() -> None:
    """Sends the remaining spans, in a process that ends without Python's exit handlers."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        end_within(END_SECONDS, shutdown)


def _provider() -> TracerProvider | None:
    provider: TracerProvider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        _make_one()
        provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return provider


def _make_one() -> None:
    """Sets a provider once, if the environment asks for one and the SDK is installed."""
    global _asked  # noqa: PLW0603 - see above
    with _lock:
        if _asked:
            return
        _asked = True
        if not wanted_by_environment() or util.find_spec("opentelemetry.sdk") is None:
            return
        from towpath._telemetry import providers  # noqa: PLC0415 - imports OpenTelemetry's SDK

        provider = providers.provider_from_environment(SERVICE_NAME)
        if provider is not None:
            trace.set_tracer_provider(provider)
