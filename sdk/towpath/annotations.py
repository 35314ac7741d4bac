"""Wrappers that say how an argument is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from towpath._prefect_names.refusals import refusing

T = TypeVar("T")

__all__ = ["Sensitive", "allow_failure", "freeze", "opaque", "quote", "unmapped"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)


class Sensitive:
    """Marks a parameter whose value must not be recorded or shown.

    In `def load(password: Annotated[str, Sensitive])` the function gets the value unchanged. Logs,
    failures, traces, names and every other record of the run have `***` in its place.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Annotation(Generic[T]):
    """A wrapper around an argument."""

    value: T

    def unwrap(self) -> T:
        """Returns the argument."""
        return self.value

    def rewrap(self, value: Any) -> Self:
        """Returns a wrapper of the same kind around another argument."""
        return type(self)(value)


class unmapped(_Annotation[T]):  # noqa: N801 - Prefect's name
    """An argument of `.map` that is passed whole to every call, not item by item.

    Args:
        value: The argument.
    """

    __slots__ = ()


class allow_failure(_Annotation[T]):  # noqa: N801 - Prefect's name
    """A future, or a list of them, whose failure doesn't skip the task that takes it.

    If the future's run fails, the task gets its exception in place of its result.

    Args:
        value: The future; a state, or a list of either.
    """

    __slots__ = ()


class quote(_Annotation[T]):  # noqa: N801 - Prefect's name
    """An argument that is not searched for futures.

    Args:
        value: The argument.
    """

    __slots__ = ()

    def unquote(self) -> T:
        """Returns the value."""
        return self.value


class opaque(_Annotation[T]):  # noqa: N801 - Prefect's name
    """A future as an argument, or another value that is not searched for futures within.

    Args:
        value: The argument; a future or state is replaced by its result.
    """

    __slots__ = ()


class freeze(_Annotation[T]):  # noqa: N801 - Prefect's name
    """A parameter of a deployment that is meant not to be changed.

    Args:
        value: The parameter.
    """

    __slots__ = ()

    def unfreeze(self) -> T:
        """Returns the parameter."""
        return self.value
