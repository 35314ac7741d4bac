"""Watches: changes as they are committed, resumable from a position.

Invariants: a watch of transitions sees each position once, in order; a watch of runs never sends an
older copy of a run after a newer one; all changes up to a resume token have been sent, and none
beyond it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from towpath_service.core.errors import ServiceError
from towpath_service.core.tokens import make_token, read_number
from towpath_service.runs.application.queries import existing_run, watch_question
from towpath_service.runs.domain.filters import RUN_FIELDS, Filter, parse_filter
from towpath_service.runs.domain.states import TERMINAL_STATES
from towpath_service.runs.ports.reads import Reads, RunQuery, RunTree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.draining import Draining
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.runs import LogEntry, Run, Transition
    from towpath_service.runs.ports.reads import ReadStore

PAGE: Final = 500
POLL_SECONDS: Final = 0.5
SILENCE_SECONDS: Final = 10.0
LIFE_SECONDS: Final = 900.0

EventKind = Literal["ADDED", "MODIFIED", "REMOVED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChange:
    """A change of a watched run."""

    kind: EventKind
    run_id: str
    run: Run | None
    """The run; None when it was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChanges:
    """A message of a run watch."""

    changes: Sequence[RunChange]
    resume_token: str
    synced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """A message of a transition watch."""

    transitions: Sequence[Transition]
    resume_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """A message of a log tail."""

    lines: Sequence[LogEntry]
    resume_token: str


class Watches:
    """Serves watches of one store."""

    def __init__(
        self,
        store: ReadStore,
        bus: Bus,
        draining: Draining,
        *,
        silence_seconds: float = SILENCE_SECONDS,
        life_seconds: float = LIFE_SECONDS,
    ) -> None:
        self._store = store
        self._bus = bus
        self._draining = draining
        self._silence_seconds = silence_seconds
        self._life_seconds = life_seconds

    async def runs(
        self,
        scope: Scope,
        *,
        filter_: str,
        resume_token: str,
        skip_initial: bool,
        min_interval_seconds: float,
    ) -> AsyncIterator[RunChanges]:
        """Streams runs as they change."""
        condition = parse_filter(filter_, RUN_FIELDS)
        question = watch_question(scope, filter_)
        known: set[str] = set()
        if resume_token:
            position = _position(resume_token, question)
            await self._check(scope, position, "tombstones")
        else:
            position = await self._store.read(scope.tenant_id, lambda reads: reads.position(scope))
            if not skip_initial:
                async for page in self._present(scope, condition):
                    known.update(run.run_id for run in page)
                    yield RunChanges(
                        changes=[
                            RunChange(kind="ADDED", run_id=run.run_id, run=run) for run in page
                        ],
                        resume_token="",
                    )
            token = make_token(question, (position,))
            yield RunChanges(changes=(), resume_token=token, synced=True)
        pace = _Pace(self._silence_seconds, self._life_seconds)
        while not (self._draining.begun or pace.over):
            changes, position = await self._run_changes(scope, condition, position, known)
            if changes or pace.silent:
                pace.spoke()
                yield RunChanges(changes=changes, resume_token=make_token(question, (position,)))
                await asyncio.sleep(min_interval_seconds if changes else 0)
            else:
                await self._bus.wait(scope, POLL_SECONDS)

    async def _present(
        self, scope: Scope, condition: Filter | None
    ) -> AsyncIterator[Sequence[Run]]:
        after: tuple[int | str, str] | None = None
        while True:
            query = RunQuery(
                scope=scope, filter=condition, descending=False, after=after, limit=PAGE
            )
            page = await self._store.read(scope.tenant_id, partial(_runs, query))
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = (page[-1].created_us, page[-1].run_id)

    async def _run_changes(
        self, scope: Scope, condition: Filter | None, position: int, known: set[str]
    ) -> tuple[list[RunChange], int]:
        def work(reads: Reads) -> tuple[list[tuple[int, str, Run | None]], set[str], int]:
            latest = reads.position(scope)
            if latest == position:
                return [], set(), position
            changed = reads.changed_runs(scope, position, latest, PAGE)
            present = [run_id for _, run_id, run in changed if run is not None]
            matching = (
                set(present) if condition is None else reads.matching(scope, present, condition)
            )
            reached = changed[-1][0] if len(changed) == PAGE else latest
            return changed, matching, reached

        changed, matching, reached = await self._store.read(scope.tenant_id, work)
        changes: list[RunChange] = []
        for changed_at, run_id, run in changed:
            if run is not None and run_id in matching:
                fresh = run_id not in known and run.revision <= 1 + (changed_at - position)
                kind: EventKind = "ADDED" if fresh else "MODIFIED"
                known.add(run_id)
                changes.append(RunChange(kind=kind, run_id=run_id, run=run))
            elif run_id in known or run is None:
                known.discard(run_id)
                changes.append(RunChange(kind="REMOVED", run_id=run_id, run=run))
        return changes, reached

    async def _check(self, scope: Scope, position: int, what: str) -> None:
        """Refuses a position after which changes have been removed."""
        floors = await self._store.read(scope.tenant_id, lambda reads: reads.floors(scope))
        if position < getattr(floors, what):
            raise ServiceError(
                reason="RESUME_TOKEN_EXPIRED",
                message=(
                    "some changes after this token were removed by retention: begin without a token"
                ),
            )

    async def transitions(
        self, scope: Scope, *, run_id: str, resume_token: str, states: Sequence[int]
    ) -> AsyncIterator[Transitions]:
        """Streams transitions in commit order; of one run and all below it, or of all."""
        question = (
            *("WatchRunTransitions", scope.tenant_id, scope.workspace_id, run_id),
            *map(str, states),
        )
        if resume_token:
            position = _position(resume_token, question)
            await self._check(scope, position, "transitions")
        elif run_id:
            await self._store.read(
                scope.tenant_id, lambda reads: existing_run(reads, scope, run_id)
            )
            position = 0
        else:
            position = await self._store.read(scope.tenant_id, lambda reads: reads.position(scope))
        tree = RunTree(run_id, descendants=True) if run_id else None
        pace = _Pace(self._silence_seconds, self._life_seconds)
        while not (self._draining.begun or pace.over):

            def work(reads: Reads, after: int = position) -> tuple[list[Transition], int]:
                latest = reads.position(scope)
                if latest == after:
                    return [], after
                found = reads.transitions_after(scope, after, PAGE, tree=tree, states=states)
                return found, found[-1].position if len(found) == PAGE else latest

            found, position = await self._store.read(scope.tenant_id, work)
            if found or pace.silent:
                pace.spoke()
                yield Transitions(transitions=found, resume_token=make_token(question, (position,)))
            else:
                await self._bus.wait(scope, POLL_SECONDS)

    async def logs(
        self,
        scope: Scope,
        run_id: str,
        *,
        tail_lines: int,
        resume_token: str,
        descendants: bool,
        min_severity: int,
    ) -> AsyncIterator[LogLines]:
        """Streams log lines as they come in; ends when the run has ended and all were sent."""
        question = (
            *("TailLogs", scope.tenant_id, scope.workspace_id, run_id),
            *(str(descendants), str(min_severity)),
        )
        position = _position(resume_token, question) if resume_token else -1
        if resume_token:
            await self._check(scope, position, "logs")
        pace = _Pace(self._silence_seconds, self._life_seconds)
        tree = RunTree(run_id, descendants)
        ended_before = False
        while not (self._draining.begun or pace.over):

            def work(reads: Reads, after: int = position) -> tuple[list[LogEntry], int, bool]:
                run = existing_run(reads, scope, run_id)
                latest = reads.log_position(scope)
                ended = run.state in TERMINAL_STATES
                if after < 0:
                    last = reads.logs(
                        scope, tree, None, after=None, descending=True, limit=tail_lines or 100
                    )
                    return list(reversed(last)), latest, ended
                found = reads.logs_after(scope, tree, after, PAGE)
                full = len(found) == PAGE
                return found, found[-1].position if full else latest, ended and not full

            lines, position, ended = await self._store.read(scope.tenant_id, work)
            shown = [line for line in lines if line.severity >= min_severity]
            if shown or pace.silent:
                pace.spoke()
                yield LogLines(lines=shown, resume_token=make_token(question, (position,)))
            if not lines:
                # Lines are committed apart from states: read once more after the end.
                if ended and ended_before:
                    return
                ended_before = ended
                await self._bus.wait(scope, POLL_SECONDS)


class _Pace:
    """The times at which a stream must send a message, and at which it ends."""

    def __init__(self, silence_seconds: float, life_seconds: float) -> None:
        self._silence_seconds = silence_seconds
        self._end = time.monotonic() + life_seconds
        self._last = time.monotonic()

    def spoke(self) -> None:
        self._last = time.monotonic()

    @property
    def silent(self) -> bool:
        return time.monotonic() - self._last >= self._silence_seconds

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._end


def _position(token: str, question: tuple[str, ...]) -> int:
    return read_number(token, question, reason="RESUME_TOKEN_INVALID")


def _runs(query: RunQuery, reads: Reads) -> list[Run]:
    return reads.runs(query)
