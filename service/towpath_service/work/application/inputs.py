"""Sends inputs to runs, and has receivers wait for them.

Invariants, each of which a test names:
  - a receiver gets each input of its kind once, in the order in which they were sent;
  - a repeated request stores no second input;
  - an ended run takes no input;
  - a run sends only within its workspace, under its own name or that of a run below it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from towpath_service.core.bus import Topic
from towpath_service.core.errors import ServiceError, invalid, not_found
from towpath_service.core.names import run_name
from towpath_service.core.tenant_limits import storage_is_full
from towpath_service.runs.domain.inputs import MOST_BYTES, MOST_INPUTS, RunInput
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.cancelling import is_below

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.draining import Draining
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.work.ports.control import Control, ControlStore

POLL_SECONDS: Final = 1.0
"""Longest time until an input is found whose notice was lost."""
MOST_AT_ONCE: Final = 16
"""Most inputs of one answer: with the largest contents, 4 MB."""
OF_RUN: Final = "towpath.flow-run."
"""What a sender that is a run begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRequest:
    """Who asks about inputs of which run."""

    scope: Scope
    run_id: str
    within: str = ""
    """The run that the caller is; empty for any other caller."""


class Received(NamedTuple):
    """The inputs that a receiver gets."""

    state: RunState
    inputs: Sequence[RunInput]


class Inputs:
    """The inputs of runs."""

    def __init__(self, store: ControlStore, bus: Bus, clock: Clock, draining: Draining) -> None:
        """Takes its parts.

        Args:
            store: Where runs and their inputs are.
            bus: Tells of new inputs.
            clock: The clock.
            draining: Ends waits when the service drains.
        """
        self._store = store
        self._bus = bus
        self._clock = clock
        self._draining = draining

    async def send(self, request: InputRequest, new: RunInput) -> RunInput:
        """Stores an input of a run; a repeat stores none.

        Args:
            request: Names the run.
            new: The input.

        Returns:
            The input with its position.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND; TRANSITION_NOT_ALLOWED: the run has ended;
                INVALID_REQUEST or PAYLOAD_TOO_LARGE: the content is no JSON or too large, or the
                sender is another run; QUOTA_EXCEEDED; REQUEST_ID_REUSED.
        """
        await asyncio.to_thread(check_content, new.content)
        return await self._store.write(
            {request.scope.tenant_id}, lambda control: self._add(control, request, new)
        )

    async def receive(
        self, request: InputRequest, key_prefix: str, position: int, wait_us: int
    ) -> Received:
        """Waits until there are inputs of a kind after a position, or the run has ended.

        Args:
            request: Names the run.
            key_prefix: The kind.
            position: The position that the receiver has.
            wait_us: The longest wait, microseconds.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: there is no such run, or it isn't below the caller.
        """
        scope, run_id = request.scope, request.run_id

        def read(control: Control) -> Received:
            state = control.pauses.state_of(scope, run_id)
            if state is None:
                raise not_found(run_name(scope.workspace_id, run_id))
            found = control.inputs.after(scope, run_id, key_prefix, position, MOST_AT_ONCE)
            return Received(state, found)

        if request.within and request.within != run_id:
            await self._store.write({scope.tenant_id}, lambda control: _check(control, request))
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        until = loop.time() + wait_us / 1e6
        with self._bus.waking(changed, Topic("input", *scope, run_id)):
            while True:
                changed.clear()
                found = await self._store.read({scope.tenant_id}, read)
                left = until - loop.time()
                over = found.inputs or found.state in TERMINAL_STATES or left <= 0
                if over or self._draining.event.is_set():
                    return found
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), min(left, POLL_SECONDS))

    def _add(self, control: Control, request: InputRequest, new: RunInput) -> RunInput:
        scope, run_id = request.scope, request.run_id
        _check_sender(control, request, new.sender)
        # The lock gives the inputs of a run one order.
        run = control.runs.standing({RunKey(scope.tenant_id, run_id)}, ())[0].get(
            RunKey(scope.tenant_id, run_id)
        )
        if run is None or run.workspace_id != scope.workspace_id:
            raise not_found(run_name(scope.workspace_id, run_id))
        known = control.inputs.find(scope, run_id, new.input_id)
        if known is not None:
            if not known.repeats(new):
                raise _reused(new)
            return known
        if run.state in TERMINAL_STATES:
            raise _has_ended(run)
        last = control.inputs.last_position(scope, run_id)
        if last >= MOST_INPUTS:
            raise _too_many(run_id)
        stored = control.runs.stored([scope.tenant_id]).get(scope.tenant_id)
        if stored is not None and stored.is_full:
            raise storage_is_full(stored)
        added = replace(new, position=last + 1, created_us=self._clock.now_us())
        control.inputs.add(scope, run_id, added)
        return added


def check_content(text: str) -> None:
    """Checks the content of an input.

    Args:
        text: The content.

    Raises:
        ServiceError: INVALID_REQUEST, PAYLOAD_TOO_LARGE.
    """
    size = len(text.encode())
    if size > MOST_BYTES:
        raise ServiceError(
            reason="PAYLOAD_TOO_LARGE",
            message=(
                f"the input has {size:,} bytes, more than {MOST_BYTES:,}: store it elsewhere, and"
                " send where it is"
            ),
            metadata={"field": "input.content", "limit": str(MOST_BYTES)},
        )
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise invalid("input.content", "is nested too deeply") from None
    except ValueError as error:
        raise invalid("input.content", f"must be JSON: {error}") from None


def _check(control: Control, request: InputRequest) -> None:
    """Refuses to read the inputs of a run that isn't below the calling run, as if it were none."""
    if not is_below(control, request.scope, request.run_id, request.within):
        raise not_found(run_name(request.scope.workspace_id, request.run_id))


def _check_sender(control: Control, request: InputRequest, sender: str) -> None:
    """Refuses a run that sends in the name of a run that is neither itself nor below it."""
    if not request.within or not sender.startswith(OF_RUN):
        return
    run_id = sender.removeprefix(OF_RUN)
    if run_id != request.within and not is_below(control, request.scope, run_id, request.within):
        raise invalid("input.sender", "must be the calling run, or a run below it")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _reused(new: RunInput) -> ServiceError:
    return ServiceError(
        reason="REQUEST_ID_REUSED",
        message=f"the run has another input of id {new.input_id}: send this one with a new id",
        metadata={"request_id": new.input_id},
    )


def _has_ended(run: RunStatus) -> ServiceError:
    return ServiceError(
        reason="TRANSITION_NOT_ALLOWED",
        message=f"run {run.run_id} is {run.state.name}: it receives no inputs any more",
        metadata={
            "run": run.run_id,
            "from_state": run.state.name,
            "to_state": run.state.name,
            "revision": str(run.revision),
        },
    )


def _too_many(run_id: str) -> ServiceError:
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=f"run {run_id} has {MOST_INPUTS:,} inputs, the most of a run: start another run",
        metadata={"quota": "inputs_per_run", "limit": str(MOST_INPUTS)},
    )
