"""Carries the trace context to another process or thread; `towpath.telemetry` exports it."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, cast

from opentelemetry import context as contexts
from opentelemetry import propagate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_VARIABLES: Final = ("traceparent", "tracestate", "baggage")


def current_carrier() -> dict[str, str]:
    """Returns the current trace context as W3C headers.

    Returns:
        Header values by name: `traceparent`, and `tracestate` and `baggage` where there are any.
        Empty without a trace context.
    """
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return {name.lower(): value for name, value in headers.items()}


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns the environment for a subprocess or job that continues the current trace.

    Args:
        base: Variables to add to; None for this process's environment.

    Returns:
        A copy with TRACEPARENT, and TRACESTATE and BAGGAGE where there are any. Flows in the
        subprocess link to the current span, or join its trace if `telemetry.join_caller` says so.
    """
    values = dict(os.environ if base is None else base)
    for name in _VARIABLES:
        values.pop(name.upper(), None)
    values.update({name.upper(): value for name, value in current_carrier().items()})
    return values


def with_carrier(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Wraps a function so that it runs in the current trace context, wherever it is called.

    Spans made within it are children of the span that is current now. It can be pickled if the
    function can, so it suits threads, process pools and Dask alike::

        pool.submit(with_carrier(resize), image)
    """
    wrapped = WithCarrier(function, current_carrier())
    return cast("Callable[Parameters, Result]", wrapped)


class WithCarrier:
    """A function that is called in the context in which it was wrapped; it can be pickled."""

    def __init__(self, function: Callable[..., object], headers: dict[str, str]) -> None:
        self._function = function
        self._headers = headers
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Calls the function."""
        token = contexts.attach(propagate.extract(self._headers))
        try:
            return self._function(*args, **kwargs)
        finally:
            contexts.detach(token)
