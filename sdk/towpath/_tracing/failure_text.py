"""Descriptions of failures for spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath._telemetry import names

if TYPE_CHECKING:
    from towpath._delivery.reports import StateReport

_MOST: Final = 1000


def error_of(state: StateReport) -> str | None:
    """Returns the description of a span's status; None without a failure."""
    if state.failure is not None:
        return f"{error_type(state)}: {state.failure.message}"[:_MOST]
    return state.message[:_MOST] if state.state.name in names.FAILURES else None


def error_type(state: StateReport) -> str:
    """Returns the kind of a failure: the exception's class, or the reason of the run's end."""
    if state.failure is not None:
        return state.failure.type.removeprefix("builtins.")
    return state.reason or state.state.name
