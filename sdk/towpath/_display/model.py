"""The display's model of a root flow run: tasks grouped by name, without a record per ended run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from towpath._display.words import printable, state_word
from towpath._state_type import StateType

if TYPE_CHECKING:
    from towpath._delivery.reports import RunReport, StateReport

_KEPT: Final = 8
_MOST_NAMES: Final = 200
_OTHERS: Final = "others"
_ACTIVE: Final = frozenset(
    {StateType.RUNNING, StateType.RETRYING, StateType.PAUSED, StateType.CANCELLING}
)
TROUBLES: Final = frozenset({StateType.FAILED, StateType.TIMED_OUT, StateType.CRASHED})


@dataclass(slots=True, kw_only=True)
class OpenRun:
    """A run that has not ended."""

    name: str
    kind: str
    group: Group
    max_attempts: int
    state: StateType
    since: float
    """Start of its first attempt, else its creation."""
    attempt: int = 1
    next_attempt_time: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that did not complete."""

    name: str
    state: StateType
    message: str

    @property
    def sentence(self) -> str:
        """Its final state and the reason, as text."""
        return outcome(self.state, self.message)


def outcome(state: StateType, message: str) -> str:
    """Returns a state with its cause: "failed: ValueError: no", "not run: load failed"."""
    word, message = state_word(state), printable(message)
    if message.startswith(f"{word}:") or not message:
        return message or word
    return f"{word}: {message}"


@dataclass(slots=True, kw_only=True)
class Group:
    """All runs of one name beneath the same parents."""

    name: str
    counts: Counter[StateType] = field(default_factory=Counter[StateType])
    groups: dict[str, Group] = field(default_factory=dict[str, "Group"])
    active: dict[str, OpenRun] = field(default_factory=dict[str, OpenRun])
    retrying: dict[str, OpenRun] = field(default_factory=dict[str, OpenRun])
    troubles: list[Ended] = field(default_factory=list[Ended])
    """The first few that failed."""
    not_run: list[Ended] = field(default_factory=list[Ended])
    """The first few that were skipped."""
    began: float | None = None
    ended: float | None = None

    @property
    def total(self) -> int:
        """Number of runs so far."""
        return self.counts.total()

    @property
    def state(self) -> StateType:
        """The state to show for all: that of a run under way or waiting, else the worst one."""
        for state in (StateType.RETRYING, StateType.RUNNING):
            if self.counts[state]:
                return state
        failed = next((s for s in TROUBLES if self.counts[s]), None)
        waiting = self.counts[StateType.PENDING] or self.counts[StateType.SCHEDULED]
        if waiting:
            return StateType.PENDING
        for state in (StateType.CANCELLED, StateType.SKIPPED):
            if self.counts[state] and failed is None:
                return state
        return failed or StateType.COMPLETED

    def below(self, name: str) -> Group:
        """Returns the group of a name within this one; past a limit, new names share a group."""
        if name not in self.groups and len(self.groups) >= _MOST_NAMES:
            name = _OTHERS
        return self.groups.setdefault(name, Group(name=name))

    def ran(self, now: float) -> float:
        """Returns the seconds from the first run's start until now, or until the last run's end."""
        if self.began is None:
            return 0.0
        end = now if self.active or self.ended is None else self.ended
        return max(0.0, end - self.began)


class Told(Protocol):
    """A listener to the states that runs enter."""

    def __call__(self, tree: Tree, run: OpenRun, state: StateReport) -> None:
        """Takes a run of a tree, and the state that it has entered."""
        ...


class Tree:
    """A root flow run and all below it.

    Args:
        told: Called with each run that enters a state.
    """

    def __init__(self, told: Told | None = None) -> None:
        self.root: Group | None = None
        self.run_id = ""
        self.name = ""
        self.state = StateType.PENDING
        """State of the root."""
        self.message = ""
        self.tasks: Counter[StateType] = Counter()
        """Number of runs below the root, by state."""
        self.troubles: list[Ended] = []
        self.not_run: list[Ended] = []
        self.told: Final = told
        self._open: dict[str, OpenRun] = {}

    def ran(self, now: float) -> float:
        """Returns the seconds from the root's start until now, or until its end."""
        return self.root.ran(now) if self.root is not None else 0.0

    @property
    def open_runs(self) -> int:
        """Number of runs that have not ended."""
        return len(self._open)

    def create(self, run: RunReport) -> None:
        """Adds a new run."""
        name = printable(run.display_name)
        if self.root is None:
            self.root, self.run_id, self.name = Group(name=name), run.run_id, name
            group = self.root
        else:
            parent = self._open.get(run.parent_run_id)
            above = parent.group if parent is not None else self.root
            group = above.below(printable(run.task_name or run.flow_name or run.display_name))
        opened = OpenRun(
            name=name,
            kind=run.kind,
            group=group,
            max_attempts=run.max_attempts,
            state=run.state.state,
            since=run.state.time,
        )
        self._open[run.run_id] = opened
        self._enter(run.run_id, opened, run.state, before=None)

    def transition(self, run_id: str, state: StateReport) -> None:
        """Updates a run's state."""
        run = self._open.get(run_id)
        if run is not None:
            self._enter(run_id, run, state, before=run.state)

    def rename(self, run_id: str, display_name: str) -> None:
        """Updates a run's name."""
        run = self._open.get(run_id)
        if run is not None:
            run.name = printable(display_name)
            if run_id == self.run_id and self.root is not None:
                self.name = self.root.name = run.name

    def _enter(
        self, run_id: str, run: OpenRun, state: StateReport, *, before: StateType | None
    ) -> None:
        group, now = run.group, state.state
        if before is not None:
            self._count(run_id, group, before, -1)
        self._count(run_id, group, now, 1)
        if now is StateType.RUNNING and before in {None, StateType.PENDING, StateType.SCHEDULED}:
            run.since = state.time
            group.began = state.time if group.began is None else group.began
        run.state, run.attempt, run.message = now, state.attempt, state.message
        run.next_attempt_time = state.next_attempt_time
        _keep(group.active, run_id, run, inside=now in _ACTIVE)
        _keep(group.retrying, run_id, run, inside=now is StateType.RETRYING)
        if run_id == self.run_id:
            self.state, self.message = now, printable(state.message)
        if now.terminal:
            del self._open[run_id]
            group.ended = max(group.ended or 0.0, state.time)
            self._note(run_id, run, state)
        if self.told is not None:
            self.told(self, run, state)

    def _count(self, run_id: str, group: Group, state: StateType, by: int) -> None:
        group.counts[state] += by
        if run_id != self.run_id:
            self.tasks[state] += by

    def _note(self, run_id: str, run: OpenRun, state: StateReport) -> None:
        ended = Ended(name=run.name, state=state.state, message=state.message)
        if state.state in TROUBLES:
            lists = (run.group.troubles, self.troubles)
        elif state.state is StateType.SKIPPED:
            lists = (run.group.not_run, self.not_run)
        else:
            return
        for kept in lists if run_id != self.run_id else lists[:1]:
            if len(kept) < _KEPT:
                kept.append(ended)


def _keep(runs: dict[str, OpenRun], run_id: str, run: OpenRun, *, inside: bool) -> None:
    if inside:
        runs.setdefault(run_id, run)
    else:
        runs.pop(run_id, None)
