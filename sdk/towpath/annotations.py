"""Wrappers that say how an argument is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

__all__ = ["Sensitive", "allow_failure", "quote", "unmapped"]


class Sensitive:
    """Marks a parameter whose value is for the function's eyes only.

    `def load(password: Annotated[str, Sensitive])` gets the value as it is; logs, failures, traces,
    names and whatever else is recorded or shown of the run have `***` in its place.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class unmapped(Generic[T]):  # noqa: N801 - Prefect's name
    """An argument of `.map` that every call gets whole."""

    value: T


@dataclass(frozen=True, slots=True)
class allow_failure(Generic[T]):  # noqa: N801 - Prefect's name
    """A future whose failure the task takes as a value instead of being skipped."""

    value: T


@dataclass(frozen=True, slots=True)
class quote(Generic[T]):  # noqa: N801 - Prefect's name
    """A value that is not searched for futures."""

    value: T

    def unquote(self) -> Any:
        """The value."""
        return self.value
