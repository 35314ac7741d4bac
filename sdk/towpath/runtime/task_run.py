"""The current task run; read an attribute each time that you need it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from towpath._prefect_names.refusals import refuse
from towpath._runs.context import RunContext, current_run

if TYPE_CHECKING:
    from collections.abc import Callable

    api_url: None
    """None: runs have no address."""
    ui_url: None
    """None: the same."""
    id: str | None  # noqa: A001 - Prefect's name
    """Id of the run."""
    name: str | None
    """Name of the run."""
    task_name: str | None
    """Name of the task."""
    parameters: dict[str, Any]
    """The arguments by parameter name."""
    tags: list[str]
    """The run's tags, in order."""
    run_count: int
    """Number of the current attempt, from 1; 0 outside of runs."""

__all__ = [
    "api_url",
    "id",
    "name",
    "parameters",
    "run_count",
    "tags",
    "task_name",
    "ui_url",
]

_READERS: Final[dict[str, tuple[Callable[[RunContext], Any], Any]]] = {
    "api_url": (lambda _: None, None),
    "id": (lambda run: run.run_id, None),
    "ui_url": (lambda _: None, None),
    "name": (lambda run: run.name, None),
    "parameters": (lambda run: dict(run.parameters), {}),
    "run_count": (lambda run: run.attempt, 0),
    "tags": (lambda run: sorted(run.tags), []),
    "task_name": (lambda run: run.owner.name, None),
}


def __getattr__(attribute: str) -> Any:
    found = _READERS.get(attribute)
    if found is None:
        asks = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented
        refuse(__name__, attribute, asks, there=__all__)
    run = current_run.get()
    read, otherwise = found
    if run is None or run.kind != "task":
        return type(otherwise)() if otherwise is not None else None
    return read(run)


def __dir__() -> list[str]:
    return list(__all__)
