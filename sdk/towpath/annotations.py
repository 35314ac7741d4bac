"""Wrappers that say how an argument is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

__all__ = ["Sensitive", "allow_failure", "quote", "unmapped"]


class Sensitive:
    """Marks a parameter whose value must not be recorded or shown.

    In `def load(password: Annotated[str, Sensitive])` the function gets the value unchanged. Logs,
    failures, traces, names and every other record of the run have `***` in its place.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class unmapped(Generic[T]):  # noqa: N801 - Prefect's name
    """An argument of `.map` that is passed whole to every call, not item by item.

    Args:
        value: The argument.
    """

    value: T


@dataclass(frozen=True, slots=True)
class allow_failure(Generic[T]):  # noqa: N801 - Prefect's name
    """A future whose failure doesn't skip the task that takes it as an argument.

    If the future's run fails, the task gets its exception in place of its result.

    Args:
        value: The future.
    """

    value: T


@dataclass(frozen=True, slots=True)
class quote(Generic[T]):  # noqa: N801 - Prefect's name
    """An argument that is not searched for futures.

    Args:
        value: The argument.
    """

    value: T

    def unquote(self) -> Any:
        """Returns the value."""
        return self.value
