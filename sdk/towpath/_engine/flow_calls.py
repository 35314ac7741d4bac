"""Calls of flows: their arguments are waited for, resolved and checked, then the run begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath._delivery.reports import StateReport
from towpath._engine import flow_runs
from towpath._engine.arguments import search, waits_for
from towpath._engine.flow_run_start import begin
from towpath._engine.repeated import earlier, key_of
from towpath._engine.skipping import skipped, upstream_failures
from towpath._runs.cancellation import Cancellation
from towpath._runs.children import Child
from towpath._runs.context import current_run
from towpath._runs.futures import wait, wait_async
from towpath._runs.replaying import took
from towpath.exceptions import ParameterError
from towpath.states import result_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Generator

    from towpath._engine.definitions import FlowDefinition
    from towpath._runs.futures import Future


class FlowCall:
    """One call of a flow."""

    def __init__(self, flow: FlowDefinition, parameters: dict[str, Any], wait_for: Any) -> None:
        """Searches the arguments for futures.

        Args:
            flow: The flow.
            parameters: Its arguments by parameter, not checked yet.
            wait_for: Futures to wait for, besides those in the arguments.
        """
        self._flow = flow
        self._arguments = search(parameters)
        self._waits = [*self._arguments.waits, *waits_for(wait_for)]
        self._key = ""

    def run(self, *, lenient: bool) -> Child:
        """Runs a flow of an ordinary function here and now.

        Args:
            lenient: Whether a run of arguments that don't fit is recorded as failed.

        Raises:
            ParameterError: The arguments don't fit; nothing has run.
        """
        if self._waits:
            wait([future for future, _, _ in self._waits])
        parameters = self._settled(lenient=lenient)
        if isinstance(parameters, Child):
            return parameters
        return flow_runs.run_here(self._flow, parameters, self._key)

    def run_async(self, *, lenient: bool) -> Coroutine[Any, Any, Child]:
        """Runs a flow of a coroutine function; for the rest see `run`.

        Arguments without futures are checked at once, others when the coroutine is awaited.
        """
        parameters = None if self._waits else self._settled(lenient=lenient)
        return self._run_async(parameters, lenient=lenient)

    async def _run_async(
        self, parameters: dict[str, Any] | Child | None, *, lenient: bool
    ) -> Child:
        if parameters is None:
            await wait_async(future for future, _, _ in self._waits)
            parameters = self._settled(lenient=lenient)
        if isinstance(parameters, Child):
            return parameters
        return await flow_runs.run_async(self._flow, parameters, self._key)

    def stream(self) -> Generator[Any, Any, Any]:
        """Runs a flow of a generator function, from the first item asked for."""
        if self._waits:
            wait([future for future, _, _ in self._waits])
        return flow_runs.stream(self._flow, self._checked())

    def stream_async(self) -> AsyncGenerator[Any, Any]:
        """Runs a flow of an async generator function, from the first item asked for."""
        if self._waits:
            wait([future for future, _, _ in self._waits])
        return flow_runs.stream_async(self._flow, self._checked())

    def _settled(self, *, lenient: bool) -> dict[str, Any] | Child:
        """The arguments to run with, or a run that has ended without its code."""
        failed = upstream_failures(self._waits) if self._waits else []
        if failed:
            return self._skip(failed)
        given = self._arguments.resolved()
        try:
            parameters = self._flow.validated(given)
        except ParameterError as error:
            if not lenient:
                raise
            refusal = error
        else:
            parent = current_run.get()
            for future, _, _ in self._waits:
                took(parent, future.child)
            self._key = key_of(self._flow, parameters, parent)
            return earlier(self._flow, parameters, parent, self._key) or parameters
        return flow_runs.FlowRun(self._flow, given).refused(refusal)

    def _checked(self) -> dict[str, Any]:
        for failed in upstream_failures(self._waits):
            result_of(failed.final_state())
        return self._flow.validated(self._arguments.resolved())

    def _skip(self, failed: list[Future[Any]]) -> Child:
        """Reports the run as skipped, since a run upstream of it did not complete."""
        parent = current_run.get()
        child = Child(self._flow.name)
        state = skipped(child, failed)
        run = begin(
            self._flow,
            self._arguments.parameters,
            parent,
            Cancellation(),
            None,
            StateReport(state=state.type, time=0.0, reason=state.reason, message=state.message),
        )
        child.name, child.state = run.name, state.of_run("flow", run.run_id, run.name)
        if parent is not None:
            parent.children.settle(child)
        return child
