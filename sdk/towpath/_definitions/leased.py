"""Runs of flows that the service has made, and that a worker's process executes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from towpath._definitions.parameters import bind, validate
from towpath._engine.flow_runs import FlowRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath._definitions.flow import Flow
    from towpath._engine.flow_run_start import RunLease


def arguments_of(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a call by parameter, defaults included.

    Raises:
        ParameterError: They don't fit.
    """
    owner = f"flow {flow.name!r}"
    bound = bind(flow.fn, (), dict(parameters), owner=owner)
    return validate(flow.fn, bound, owner=owner) if flow.should_validate_parameters else bound


def run_leased(flow: Flow[..., Any], arguments: dict[str, Any], lease: RunLease) -> FlowRun:
    """Executes a run of a flow to its end; the items of a generator are dropped.

    Args:
        flow: The flow.
        arguments: Its arguments, as `arguments_of` gives them.
        lease: Which run it is.

    Returns:
        The run, which has ended; no error of the flow is raised.
    """
    run: FlowRun | None = None
    try:
        run = FlowRun(flow, arguments, lease)
        _drive(flow, run)
    except BaseException:
        # What ended the run is in its state.
        if run is None:
            raise
    return run


def _drive(flow: Flow[..., Any], run: FlowRun) -> None:
    if flow.is_generator:
        for _ in run.stream():
            pass
    elif flow.is_async_generator:
        asyncio.run(_exhaust(run))
    elif flow.is_async:
        asyncio.run(_await(run))
    else:
        run.to_end()


async def _exhaust(run: FlowRun) -> None:
    async for _ in run.stream_async():
        pass


async def _await(run: FlowRun) -> None:
    await run.to_end_async()
