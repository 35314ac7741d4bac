"""The current flow run; read an attribute each time that you need it."""

from __future__ import annotations

import datetime as dt
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
    flow_name: str | None
    """Name of the flow."""
    flow_version: str | None
    """Version of the flow, from its option `version`."""
    parameters: dict[str, Any]
    """The arguments by parameter name."""
    tags: list[str]
    """The run's tags, in order."""
    run_count: int
    """Number of the current attempt, from 1; 0 outside of runs."""
    parent_flow_run_id: str | None
    """Id of the flow run that called this one, for a subflow."""
    root_flow_run_id: str | None
    """Id of the outermost flow run."""
    scheduled_start_time: dt.datetime | None
    """Planned start of the run; for a run that was called, its actual start."""

__all__ = [
    "api_url",
    "flow_name",
    "flow_version",
    "id",
    "name",
    "parameters",
    "parent_flow_run_id",
    "root_flow_run_id",
    "run_count",
    "scheduled_start_time",
    "tags",
    "ui_url",
]


def _parent_flow_run_id(run: RunContext) -> str | None:
    around = run.parent.flow_run if run.parent is not None else None
    return around.run_id if around is not None else None


_READERS: Final[dict[str, tuple[Callable[[RunContext], Any], Any]]] = {
    "flow_name": (lambda run: run.flow_name, None),
    "flow_version": (lambda run: getattr(run.owner, "version", None), None),
    "api_url": (lambda _: None, None),
    "id": (lambda run: run.run_id, None),
    "ui_url": (lambda _: None, None),
    "name": (lambda run: run.name, None),
    "parameters": (lambda run: dict(run.parameters), {}),
    "parent_flow_run_id": (_parent_flow_run_id, None),
    "root_flow_run_id": (lambda run: run.root_run_id, None),
    "run_count": (lambda run: run.attempt, 0),
    "scheduled_start_time": (lambda run: dt.datetime.fromtimestamp(run.created, dt.UTC), None),
    "tags": (lambda run: sorted(run.tags), []),
}


def __getattr__(attribute: str) -> Any:
    found = _READERS.get(attribute)
    if found is None:
        asks = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented
        refuse(__name__, attribute, asks, there=__all__)
    run = current_run.get()
    flow_run = run.flow_run if run is not None else None
    read, otherwise = found
    return (
        read(flow_run)
        if flow_run is not None
        else type(otherwise)()
        if otherwise is not None
        else None
    )


def __dir__() -> list[str]:
    return list(__all__)
