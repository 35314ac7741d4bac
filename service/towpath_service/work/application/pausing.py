"""Pauses runs that wait, resumes paused ones, and has processes wait for the answers.

Invariants, each of which a test names:
  - of two answers to a pause one takes effect, and the other's caller is told so;
  - a suspended run is queued by the transaction that answers its pause, or, while its process is
    still exiting, by the one that ends its lease;
  - an answer fits the schema of the pause that it answers;
  - a paused run without a process has no queue entry;
  - a request to pause a run that executes leads to one pause.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from towpath_service.core.bus import Topic
from towpath_service.core.errors import ServiceError, invalid, not_found
from towpath_service.core.names import run_name
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.pauses import decide_answer
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import SUSPENDED, TERMINAL_STATES, RunKind, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.cancelling import is_below
from towpath_service.work.application.moving import move, requeue
from towpath_service.work.domain.json_objects import parse_object
from towpath_service.work.domain.parameters import check_parameters, check_schema
from towpath_service.work.ports.control import PAUSABLE, PAUSE, DirectiveRow

if TYPE_CHECKING:
    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.draining import Draining
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.runs.domain.pauses import Pause
    from towpath_service.work.ports.control import Control, ControlStore

MOST_BYTES: Final = 262_144
"""Largest schema or input of a pause."""
POLL_SECONDS: Final = 1.0
"""Longest time until an answer is found whose notice was lost."""
_ENDING: Final = TERMINAL_STATES | {RunState.CANCELLING}


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRequest:
    """A request to pause or to resume a run."""

    scope: Scope
    run_id: str
    actor: str
    """Principal that asks."""
    message: str = ""
    """Why it is paused, for people."""
    key: str = ""
    """The pause to answer; empty for the one that the run is in."""
    input: str | None = None
    """The answer, a JSON object; None for none."""
    request_id: str | None = None
    """By which a repeat is known; None for none."""
    within: str = ""
    """The run that the caller is: it may ask for itself and what is below; empty for any run."""


class Awaited(NamedTuple):
    """A pause that somebody waits for."""

    state: RunState
    pause: Pause | None


class Pausing:
    """Pauses and resumes runs."""

    def __init__(self, store: ControlStore, bus: Bus, clock: Clock, draining: Draining) -> None:
        """Takes its parts.

        Args:
            store: Where runs and their pauses are.
            bus: Is notified of changes, and tells of answers.
            clock: The clock.
            draining: Ends waits when the service drains.
        """
        self._store = store
        self._bus = bus
        self._clock = clock
        self._draining = draining

    async def pause(self, request: PauseRequest) -> None:
        """Pauses a run; a repeat changes nothing.

        One that waits for a worker leaves the queue. The process of one that executes is asked to
        pause it before its next task.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND; TRANSITION_NOT_ALLOWED: it neither waits nor executes;
                NOT_DISPATCHABLE: it waits, and no deployment has made it.
        """
        await self._store.write(
            {request.scope.tenant_id}, lambda control: self._put(control, request)
        )
        self._bus.notify(request.scope)

    async def resume(self, request: PauseRequest) -> None:
        """Answers the pause of a run.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, TRANSITION_NOT_ALLOWED, PAUSE_ANSWERED,
                PAUSE_EXPIRED, NOT_DISPATCHABLE; INVALID_REQUEST or PAYLOAD_TOO_LARGE: the input
                doesn't fit.
        """
        tenants = {request.scope.tenant_id}
        checked: Pause | None = None
        while True:
            answer = partial(self._answer, request=request, checked=checked)
            pause = await self._store.write(tenants, answer)
            if pause is None:
                self._bus.notify(request.scope)
                return
            await asyncio.to_thread(check_input, pause.input_schema, request.input)
            checked = pause

    async def wait(self, request: PauseRequest, wait_us: int) -> Awaited:
        """Waits until a pause is answered or over, or its run has ended.

        Args:
            request: Names the pause.
            wait_us: The longest wait, microseconds.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: there is no such run.
        """
        if request.within and request.within != request.run_id:
            await self._store.write(
                {request.scope.tenant_id}, lambda control: _check_within(control, request)
            )
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        until = loop.time() + wait_us / 1e6
        with self._bus.waking(changed, Topic("pause", *request.scope, request.run_id)):
            while True:
                changed.clear()
                found = await self._read(request)
                left = until - loop.time()
                if self._is_over(found) or left <= 0 or self._draining.event.is_set():
                    return found
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), min(left, POLL_SECONDS))

    def _is_over(self, found: Awaited) -> bool:
        state, pause = found
        if pause is None:
            return state in _ENDING
        answered = pause.answered_us is not None
        return answered or state in _ENDING or pause.is_expired(self._clock.now_us())

    async def _read(self, request: PauseRequest) -> Awaited:
        def read(control: Control) -> Awaited:
            state = control.pauses.state_of(request.scope, request.run_id)
            if state is None:
                raise not_found(run_name(request.scope.workspace_id, request.run_id))
            return Awaited(state, control.pauses.find(request.scope, request.run_id, request.key))

        return await self._store.read({request.scope.tenant_id}, read)

    def _put(self, control: Control, request: PauseRequest) -> None:
        run = _locked(control, request)
        if run.state is RunState.PAUSED:
            return
        if run.state in PAUSABLE and run.kind is RunKind.FLOW:
            self._ask(control, request, run)
            return
        if run.state is not RunState.SCHEDULED:
            raise _not_pausable(run)
        _check_dispatchable(control, request)
        now_us = self._clock.now_us()
        batch = Batch(control.runs, now_us)
        report = StateReport(state=RunState.PAUSED, reason=SUSPENDED, message=request.message)
        move(batch, request.scope, run, report, now_us, actor=request.actor)
        control.queue.remove_entries(request.scope.tenant_id, [run.run_id])
        batch.commit([])

    def _ask(self, control: Control, request: PauseRequest, run: RunStatus) -> None:
        """Asks the process of a run to pause it; the run itself is left as it is."""
        directive = DirectiveRow(
            scope=request.scope,
            run_id=run.run_id,
            kind=PAUSE,
            revision=run.revision,
            message=request.message,
            grace_us=None,
            actor=request.actor,
            created_us=self._clock.now_us(),
            producer_id=run.producer_id,
        )
        control.put_directives([directive])

    def _answer(
        self, control: Control, request: PauseRequest, checked: Pause | None
    ) -> Pause | None:
        """Writes the answer; or returns the pause whose schema it must be checked against."""
        scope, now_us = request.scope, self._clock.now_us()
        run = _locked(control, request)
        found = control.pauses.find(scope, run.run_id, request.key)
        pause = decide_answer(run, found, request.request_id, now_us)
        if pause is None:
            return None
        if pause != checked:
            return pause
        answered = replace(
            pause,
            answered_us=now_us,
            input=request.input,
            actor=request.actor,
            request_id=request.request_id,
        )
        control.pauses.answer(scope, run.run_id, answered)
        # A request to pause that led to this pause is not to lead to another.
        control.remove_directives(scope.tenant_id, [run.run_id])
        if run.is_suspended:
            _check_dispatchable(control, request)
            # A run whose process is still exiting is queued when its lease ends.
            if not control.leases(scope.tenant_id, [run.run_id]):
                batch = Batch(control.runs, now_us)
                if requeue(batch, scope, run, request.actor, now_us):
                    key = RunKey(scope.tenant_id, run.run_id)
                    control.queue_again(key, now_us, started=run.fence > 0)
                batch.commit([])
        return None


def check_input(schema_text: str, text: str | None) -> None:
    """Checks the answer to a pause.

    Args:
        schema_text: JSON Schema of the pause; empty for a pause that takes no input.
        text: The input as JSON; None for none.

    Raises:
        ServiceError: INVALID_REQUEST, PAYLOAD_TOO_LARGE.
    """
    value = parse_object(text or "", "input", most_bytes=MOST_BYTES)
    if not schema_text:
        if value:
            raise invalid("input", "must be empty: the run waits for no input")
        return
    schema = parse_object(schema_text, "pause.input_schema_json", most_bytes=MOST_BYTES)
    check_schema(schema, "pause.input_schema_json")
    check_parameters(schema, value, "input", named=False)


def _locked(control: Control, request: PauseRequest) -> RunStatus:
    """The run of a request, locked after its queue entry."""
    scope, name = request.scope, run_name(request.scope.workspace_id, request.run_id)
    if request.within:
        _check_within(control, request)
    control.queue.lock_entries(scope.tenant_id, [request.run_id])
    key = RunKey(scope.tenant_id, request.run_id)
    run = control.runs.standing({key}, ())[0].get(key)
    if run is None or run.workspace_id != scope.workspace_id:
        raise not_found(name)
    return run


def _check_within(control: Control, request: PauseRequest) -> None:
    """Refuses a run that isn't below the calling run, as if there were none."""
    if not is_below(control, request.scope, request.run_id, request.within):
        raise not_found(run_name(request.scope.workspace_id, request.run_id))


def _check_dispatchable(control: Control, request: PauseRequest) -> None:
    if not control.queue.deployments_of(request.scope.tenant_id, [request.run_id]):
        raise ServiceError(
            reason="NOT_DISPATCHABLE",
            message=f"run {request.run_id} is of no deployment: no worker can start it",
            metadata={"run": request.run_id},
        )


def _not_pausable(run: RunStatus) -> ServiceError:
    if run.state in TERMINAL_STATES:
        why = "it has ended already"
    elif run.kind is RunKind.TASK:
        why = "a task run isn't paused: pause the flow run around it"
    else:
        why = "try again once it is RUNNING"
    return ServiceError(
        reason="TRANSITION_NOT_ALLOWED",
        message=f"run {run.run_id} is {run.state.name}: {why}",
        metadata={
            "run": run.run_id,
            "from_state": run.state.name,
            "to_state": RunState.PAUSED.name,
            "revision": str(run.revision),
        },
    )
