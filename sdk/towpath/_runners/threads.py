"""The task runner that runs tasks in threads of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from towpath._runners.base import TaskRunner
from towpath._runs.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from towpath._runs.loops import SharedLoop


_USUAL_WORKERS: Final = 16


class ThreadPoolTaskRunner(TaskRunner):
    """Runs tasks in threads; a task that waits for others gives up its place meanwhile.

    Args:
        max_workers: Most tasks that run at a time, not counting those that wait for others; None
            for the setting `task.max_workers`, else 16.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        """Starts threads as they are needed.

        Args:
            max_workers: Most tasks that run at a time, not counting those that wait for others;
                None for the setting `task.max_workers`.

        Raises:
            ValueError: It is less than 1.
        """
        self._max_workers = None if max_workers is None else _at_least_one(max_workers)
        self._slots: Slots | None = None

    @property
    def max_workers(self) -> int:
        """Most tasks that run at a time, not counting those that wait for others."""
        if self._max_workers is not None:
            return self._max_workers
        from towpath._settings.current import settings_of_runs  # noqa: PLC0415 - declarations need no settings

        return settings_of_runs().task_max_workers or self._usual_workers()

    def _usual_workers(self) -> int:
        return _USUAL_WORKERS

    def __eq__(self, other: object) -> bool:
        theirs: Any = other
        if type(theirs) is not type(self):
            return NotImplemented
        return bool(self._max_workers == theirs._max_workers)

    def __hash__(self) -> int:
        return hash((type(self), self._max_workers))

    def __enter__(self) -> Self:
        if self._slots is not None:
            raise RuntimeError("this task runner is entered already")
        self._slots = Slots(self.max_workers, name="towpath-task")
        return self

    def __exit__(self, *_: object) -> None:
        if self._slots is not None:
            self._slots.close()
            self._slots = None

    def run(self, work: Callable[[], None]) -> None:
        """Runs work in one of the threads, in a copy of this context."""
        assert self._slots is not None, "a task runner runs within a flow"
        self._slots.run(work)

    def run_in_loop(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        loop: SharedLoop,
        ended: Callable[[], None],
    ) -> None:
        """Runs async work in its loop, in a copy of this context; it counts as a thread does."""
        assert self._slots is not None, "a task runner runs within a flow"
        self._slots.run_in_loop(work, loop, ended)

    def duplicate(self) -> TaskRunner:
        """Returns a runner with the same number of threads."""
        return type(self)(self._max_workers)


def _at_least_one(max_workers: int) -> int:
    if max_workers < 1:
        raise ValueError(f"max_workers must be 1 or more, not {max_workers}")
    return max_workers
