"""Trace context on its way out of this process, or of this thread."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Final

from opentelemetry import context as contexts
from opentelemetry import propagate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_VARIABLES: Final = ("traceparent", "tracestate", "baggage")


def carrier() -> dict[str, str]:
    """The present context as headers, by lower-case name; empty where nothing is traced."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return {name.lower(): value for name, value in headers.items()}


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """A copy of an environment that hands the present context to a subprocess or job."""
    values = dict(os.environ if base is None else base)
    for name in _VARIABLES:
        values.pop(name.upper(), None)
    values.update({name.upper(): value for name, value in carrier().items()})
    return values


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
