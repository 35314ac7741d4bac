"""What a retry of a run reuses, what it runs again, and what can't be told before.

It is worked out of what the run's earlier attempts have reported, and of the results that this
machine can read. Code is not looked at: a task whose code has changed runs again in any case.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from towpath._results.store import kept_at
from towpath._state_type import StateType
from towpath.exceptions import DefinitionError, ResultsExpired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from towpath._results.store import Kept
    from towpath.client import Run, Step

Decision = Literal["reused", "run again", "cannot tell"]

_WHY: Final[dict[str, tuple[Decision, str]]] = {
    "here": ("reused", ""),
    "gone": ("run again", "its stored result is gone"),
    "expired": ("run again", "its stored result has expired"),
    "unreadable": ("run again", "its stored result can't be read"),
    "elsewhere": ("cannot tell", "its result is stored on another machine"),
}
_LOST: Final = frozenset({"gone", "expired", "unreadable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A step of a run, and what a retry makes of it."""

    step: Step
    decision: Decision
    why: str = ""
    lost: bool = False
    """Whether it would be reused, had its result not been lost."""


def plan_retry(
    run: Run,
    steps: Iterable[Step],
    from_tasks: Sequence[str],
    now: float,
    look: Callable[[str, float], Kept] = kept_at,
) -> list[PlannedStep]:
    """Works out what a retry makes of each step.

    Args:
        run: The run.
        steps: The runs below its root, oldest first.
        from_tasks: Tasks that are to run again.
        now: The time, seconds since the Unix epoch.
        look: Looks for a stored result by its address.

    Returns:
        The steps as they were at last, oldest first; those within reused subflows are left out.

    Raises:
        DefinitionError: No step has a name of `from_tasks`.
    """
    planning = _Planning(run, list(steps), from_tasks, now, look)
    planning.check_names()
    return planning.planned()


def names_with_subflows(run: Run, steps: Iterable[Step], from_tasks: Sequence[str]) -> list[str]:
    """The named tasks, with the subflows that they are within: those have to run again, too."""
    known = {step.run.id: step for step in steps}
    names = list(from_tasks)
    for step in list(known.values()):
        if not _is_named(step, from_tasks):
            continue
        around = known.get(step.run.parent_id)
        while around is not None and around.run.id != run.id:
            if not around.key:
                names.append(around.run.flow)
            around = known.get(around.run.parent_id)
    return list(dict.fromkeys(names))


def check_kept(planned: Sequence[PlannedStep]) -> None:
    """Refuses a retry from a task where results before it are lost.

    Raises:
        ResultsExpired: Some are.
    """
    lost = [each.step.run.name for each in planned if each.lost]
    if lost:
        names = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if lost[5:] else "")
        raise ResultsExpired(
            f"results before the named tasks are gone or have expired: {names}. Give --again to run"
            " these steps again, too"
        )


class _Planning:
    """One plan in the making."""

    def __init__(
        self,
        run: Run,
        steps: list[Step],
        from_tasks: Sequence[str],
        now: float,
        look: Callable[[str, float], Kept],
    ) -> None:
        self._run = run
        self._by_id = {step.run.id: step for step in steps}
        self._steps = [step for step in steps if self._is_below(step)]
        self._from = from_tasks
        self._now = now
        self._look = look
        self._decided: dict[str, PlannedStep] = {}
        self._ended: float | None = None
        """When the first named task had ended."""

    def check_names(self) -> None:
        known = {name for step in self._steps for name in _names(step)}
        for name in self._from:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f": did you mean {close[0]!r}?" if close else ""
                raise DefinitionError(f"run {self._run.short_id} has no task {name!r}{hint}")

    def planned(self) -> list[PlannedStep]:
        latest = {self._path(step): step for step in self._steps}
        inside: set[str] = set()
        for step in sorted(latest.values(), key=lambda step: (step.run.created, step.run.id)):
            if step.run.parent_id in inside:
                inside.add(step.run.id)
                continue
            decided = self._decided[step.run.id] = self._decide(step)
            if decided.decision == "reused" and not step.key:
                inside.add(step.run.id)
        return list(self._decided.values())

    def _decide(self, step: Step) -> PlannedStep:
        decision, why, lost = self._verdict(step)
        return PlannedStep(step=step, decision=decision, why=why, lost=lost)

    def _verdict(self, step: Step) -> tuple[Decision, str, bool]:
        run = step.run
        if run.state is not StateType.COMPLETED:
            return "run again", f"it is {run.state}", False
        if _is_named(step, self._from):
            self._note_end(run)
            return "run again", "named by --from", False
        upstream = [self._decided.get(id_) for id_ in step.upstream_ids]
        again = [each for each in upstream if each is not None and each.decision != "reused"]
        if any(_follows_named(each) for each in again):
            return "run again", f"it depends on {again[0].step.run.name}", False
        if not step.result_uri:
            return "run again", "its result is not kept: set persist_result", False
        around = self._decided.get(run.parent_id)
        if around is not None:
            return "cannot tell", f"it is within {around.step.run.name}, which runs again", False
        if again:
            first = again[0].step.run.name
            return "cannot tell", f"its inputs may change: {first} runs again", False
        if self._ended is not None and run.created.timestamp() >= self._ended:
            return "cannot tell", "it began after a named task had ended", False
        kept = self._look(step.result_uri, self._now)
        decision, why = _WHY[kept]
        return decision, why, kept in _LOST

    def _note_end(self, run: Run) -> None:
        if run.ended is not None:
            ended = run.ended.timestamp()
            self._ended = ended if self._ended is None else min(ended, self._ended)

    def _is_below(self, step: Step) -> bool:
        return self._path_ids(step)[0] == self._run.id

    def _path_ids(self, step: Step) -> list[str]:
        ids = [step.run.parent_id]
        while ids[0] != self._run.id and (around := self._by_id.get(ids[0])) is not None:
            ids.insert(0, around.run.parent_id)
        return ids

    def _path(self, step: Step) -> tuple[str, ...]:
        """What is the same for a step in each attempt."""
        around = [self._by_id[id_] for id_ in self._path_ids(step) if id_ in self._by_id]
        return tuple(f"{_name(each)}[{each.index}]" for each in (*around, step))


def _follows_named(planned: PlannedStep) -> bool:
    return planned.why == "named by --from" or planned.why.startswith("it depends on ")


def _name(step: Step) -> str:
    return step.run.task or step.run.flow


def _names(step: Step) -> tuple[str, ...]:
    names = [_name(step), *([step.key] if step.key else [])]
    return (*names, *(f"{name}[{step.index}]" for name in names))


def _is_named(step: Step, from_tasks: Sequence[str]) -> bool:
    return any(name in from_tasks for name in _names(step))
