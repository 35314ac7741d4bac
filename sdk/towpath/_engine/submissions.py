"""Submitted task runs: each begins once all it waits for has ended."""

from __future__ import annotations

import threading
from collections import deque
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from towpath._delivery.reports import StateReport
from towpath._delivery.session import end_forked_child
from towpath._engine.arguments import search, waits_for
from towpath._engine.attempts import interruption
from towpath._engine.found_results import NO_RESULTS, Results
from towpath._engine.joining import join
from towpath._engine.mapping import calls_of, is_streamed, lists_in
from towpath._engine.runs_in_steps import RunInSteps, step_runner
from towpath._engine.safe_points import pause_if_asked
from towpath._engine.skipping import skipped, upstream_failures
from towpath._engine.task_runs import (
    attempts_of,
    execute,
    execute_async,
    new_run,
    report_new,
)
from towpath._runs.children import Child, Children
from towpath._runs.context import current_run
from towpath._runs.futures import Future, FutureList
from towpath._runs.loops import loop_for
from towpath._runs.replaying import mark
from towpath._runs.unended import leave_unended
from towpath._state_type import StateType
from towpath._strikes import spared
from towpath.exceptions import MissingContextError, RunCancelled
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from towpath._engine.arguments import Arguments
    from towpath._engine.definitions import TaskDefinition
    from towpath._engine.runs_in_steps import Place
    from towpath._runs.context import RunContext, Runner
    from towpath._runs.futures import Waits
    from towpath._runs.loops import SharedLoop

_quick = threading.local()

_FEWEST_AHEAD: Final = 1000
"""Runs that a map over an iterator submits before the oldest has ended, at least."""

_RUN: Final = "run"
_RUN_INLINE: Final = "run inline"
_SKIP: Final = "skip"
_LOST: Final = "lost"
_BROKEN_OFF: Final = "broken off"


def submit(
    task: TaskDefinition,
    parameters: dict[str, Any],
    *,
    wait_for: Any = (),
    mapped: bool = False,
) -> Future[Any]:
    """Submits a task run: it begins once all it waits for has ended.

    Raises:
        MissingContextError: The call is outside of a flow.
    """
    parent = current_run.get()
    if parent is None or parent.runner is None:
        raise MissingContextError(
            f"{task.name}.submit() needs a flow around it to run in: call it within a function"
            f" decorated with @flow, or call {task.name}() directly"
        )
    if parent.inherited:
        raise MissingContextError(
            f"{task.name}.submit() was called in a forked child, whose parent runs the flow: call"
            f" {task.name}() directly, or begin another flow here"
        )
    if parent.loop is None:
        # The code of an async flow follows requests where it awaits a task.
        pause_if_asked()
    with spared():
        return _submitted(task, parameters, parent, wait_for, mapped=mapped)


def _submitted(
    task: TaskDefinition,
    parameters: dict[str, Any],
    parent: RunContext,
    wait_for: Any,
    *,
    mapped: bool,
) -> Future[Any]:
    runner = parent.submits_to
    assert runner is not None
    arguments = search(parameters)
    waits = [*arguments.waits, *waits_for(wait_for)] if wait_for else arguments.waits
    run = new_run(task, parameters, mapped=mapped)
    run.submitted = True
    run.runner = runner
    report_new(run, StateReport(state=StateType.PENDING, time=run.created), waits=waits)
    try:
        child = Child(run.name)
        upstream = (each.child for each, _, _ in waits)
        mark(run, child, task.name, task.task_key, upstream=upstream)
        child.trace = run.trace
        future: Future[Any] = Future(run.run_id, child)
        child.future = future
        join(run, future)
        submission = _Submission(run, future, arguments, waits, runner)
    except BaseException as error:
        leave_unended(run, error)
        raise
    parent.children.have_futures = True
    submission.begin_when_ready(parent.children)
    return future


def submit_each(
    task: TaskDefinition, parameters: dict[str, Any], *, wait_for: Any = ()
) -> FutureList[Any]:
    """Submits the task runs of a map, in order.

    Args:
        task: The task.
        parameters: Arguments of the map, of which lists are mapped over.
        wait_for: What every run waits for, besides the futures in its arguments.

    Raises:
        MissingContextError: There is no flow around to run it in.
        ParameterError: Nothing can be mapped over, or lengths differ.
    """
    calls = calls_of(task.name, task.signature, parameters)
    upstream = lists_in(parameters)
    waited_for = [wait_for, upstream] if upstream else wait_for
    futures = (submit(task, one, wait_for=waited_for, mapped=True) for one in calls)
    return FutureList(_held_back(futures) if is_streamed(parameters) else futures)


def _held_back(futures: Iterable[Future[Any]]) -> Iterator[Future[Any]]:
    """Submits no more than so many runs ahead of the oldest one that hasn't ended."""
    run = current_run.get()
    assert run is not None
    most = max(_FEWEST_AHEAD, 2 * getattr(run.submits_to, "max_workers", 0))
    ahead: deque[Future[Any]] = deque()
    for future in futures:
        ahead.append(future)
        yield future
        while len(ahead) >= most:
            ahead.popleft().wait()


class _Submission:
    """A submitted run that counts down what it waits for."""

    def __init__(
        self,
        run: RunContext,
        future: Future[Any],
        arguments: Arguments,
        waits: Waits,
        runner: Runner,
    ) -> None:
        self._run = run
        self._future = future
        self._arguments = arguments
        self._waits = waits
        self._runner = runner
        self._thread = threading.get_ident()
        flow_run = run.flow_run
        assert flow_run is not None
        self._flow_run = flow_run
        self._missing = len(waits) + 1
        self._lock = threading.Lock() if waits else None
        self._context = copy_context() if waits else None
        self._claimed: dict[str, object] = {}

    def begin_when_ready(self, children: Children) -> None:
        """Begins the run once all it waits for has ended.

        Args:
            children: What the flow's end waits for; the run is added.

        Raises:
            BaseException: An exception arrived meanwhile; the run ends all the same.
        """
        try:
            children.add(self._future.child)
            self._wait()
        except BaseException as error:
            # What was to begin the run may be broken off, so that nothing would.
            if self._claims(_BROKEN_OFF) or self._is_broken_off_here():
                leave_unended(self._run, error)
                self._end(interruption(error))
            raise

    def _claims(self, purpose: str) -> bool:
        """Whether the run's end is up to a caller with this purpose: the first one."""
        return self._claimed.setdefault("", purpose) is purpose

    def _is_broken_off_here(self) -> bool:
        """Whether this thread ran the run, as an inline runner has it, but not to its end."""
        return self._claims(_RUN_INLINE) and not self._future.done()

    def _wait(self) -> None:
        if not self._waits:
            self._begin()
            return
        for future, _, _ in self._waits:
            future.when_done(self._one_less)
        self._one_less()

    def _one_less(self) -> None:
        assert self._lock is not None
        assert self._context is not None
        with self._lock:
            self._missing -= 1
            if self._missing:
                return
        failed = upstream_failures(self._waits)
        if failed:
            _in_turn(lambda: self._skip(failed))
        else:
            if self._run.trace is not None:
                self._run.trace.ready = self._run.clock.time()
            # Another run's code may be around this, with context variables of its own.
            self._context.run(self._begin)

    def _begin(self) -> None:
        if self._runner.in_steps:
            step_runner(self._runner).enter(self._work_in_steps)
        elif self._runner.remote or not self._run.owner.awaited:
            self._runner.run(self._work)
        else:
            shared = loop_for(self._flow_run)
            self._runner.run_in_loop(self._work_async, shared, lambda: self._lost(shared))

    def _work(self) -> None:
        try:
            here = threading.get_ident() == self._thread
            if not self._claims(_RUN_INLINE if here else _RUN):
                return
            self._check_interruption()
            ready = self._ready()
            state = (
                ready if isinstance(ready, State) else ready[1].let_go(execute(self._run, *ready))
            )
        except KeyboardInterrupt as error:
            # The task ran in the thread of the flow's own code, which must get the exception.
            self._end(self._ended_by(error))
            raise
        except BaseException as error:  # noqa: BLE001 - a thread of ours must not lose it
            state = self._ended_by(error)
        if self._run.inherited:
            self._leave_child(state)
        self._end(state)

    def _work_in_steps(self, place: Place) -> None:
        """Begins the run in its first step; later ones end it."""
        try:
            if not self._claims(_RUN):
                place.leave()
                return
            self._check_interruption()
            prepared = self._prepared()
            if isinstance(prepared, Results):
                if prepared.waits:
                    place.leave()
                    self._wait_apart(prepared)
                else:
                    self._start_in_steps(prepared, place)
                return
            state = prepared
        except BaseException as error:  # noqa: BLE001 - a thread of ours must not lose it
            state = self._ended_by(error)
        place.leave()
        self._end_in_steps(NO_RESULTS, state)

    def _wait_apart(self, results: Results) -> None:
        """Takes the run's turn in a thread of its own: the few of steps would wait for a holder.

        Each holder needs them to go on.
        """

        def wait() -> None:
            try:
                results.take_turn()
                step_runner(self._runner).enter(partial(self._start_in_steps, results))
            except BaseException as error:  # noqa: BLE001 - a thread of ours must not lose it
                self._end_in_steps(results, self._ended_by(error))

        context = copy_context()
        threading.Thread(target=context.run, args=(wait,), daemon=True).start()

    def _start_in_steps(self, results: Results, place: Place) -> None:
        ended = partial(self._end_in_steps, results)
        try:
            ready = self._started(results)
            if not isinstance(ready, State):
                RunInSteps(self._run, *ready, place, ended, self._ended_by).begin()
                return
            state = ready
        except BaseException as error:  # noqa: BLE001 - a thread of ours must not lose it
            state = self._ended_by(error)
        place.leave()
        ended(state)

    def _end_in_steps(self, results: Results, state: State[Any]) -> None:
        if self._run.inherited:
            self._leave_child(state)
        self._end(results.let_go(state))

    async def _work_async(self) -> None:
        try:
            if not self._claims(_RUN):
                return
            self._check_interruption()
            prepared = self._prepared()
            if isinstance(prepared, Results) and prepared.waits:
                await prepared.take_turn_async()
            ready = prepared if isinstance(prepared, State) else self._started(prepared)
            if isinstance(ready, State):
                state = ready
            else:
                state = ready[1].let_go(await execute_async(self._run, *ready))
        except BaseException as error:
            state = self._ended_by(error)
            if isinstance(error, KeyboardInterrupt) and _in_main_thread():
                # It was meant for the code of the loop's own thread.
                self._end(state)
                raise
        if self._run.inherited:
            end_forked_child(state.exception)
        self._end(state)

    def _check_interruption(self) -> None:
        assert self._flow_run.interruption is not None
        self._flow_run.interruption.check()

    def _ended_by(self, error: BaseException) -> State[Any]:
        if isinstance(error, RunCancelled):
            return attempts_of(self._run, Results()).interrupted(error)
        leave_unended(self._run, error)
        return interruption(error)

    def _lost(self, shared: SharedLoop) -> None:
        """Ends a run whose code never began in its loop, or was left there when that stopped."""
        if self._future.done():
            return
        if self._claims(_LOST) or not shared.loop.is_running():
            error = RunCancelled("its event loop was closed before it began")
            self._end(attempts_of(self._run, Results()).interrupted(error))

    def _leave_child(self, state: State[Any]) -> None:
        """Ends a child that was forked in the task, and got out of its function.

        Inline, the code around the submission is the user's. A thread of a runner would go on with
        tasks that are the parent's.
        """
        if threading.get_ident() != self._thread:
            end_forked_child(state.exception)
        elif state.exception is not None:
            raise state.exception

    def _ready(self) -> State[Any] | tuple[dict[str, Any], Results]:
        """Reports the run as RUNNING; returns what to run, or the state that it has ended in."""
        prepared = self._prepared()
        if isinstance(prepared, State):
            return prepared
        if prepared.waits:
            prepared.take_turn()
        return self._started(prepared)

    def _prepared(self) -> State[Any] | Results:
        """Resolves the arguments; returns what is known of the result, or a final state."""
        run = self._run
        try:
            run.parameters = self._arguments.resolved()
            run.hide(run.parameters)
        except Exception as error:  # noqa: BLE001 - containers of users may raise anything
            return attempts_of(run, Results()).give_up(error)
        return Results.look_up(run, run.parameters)

    def _started(self, results: Results) -> State[Any] | tuple[dict[str, Any], Results]:
        """As `_ready`, once the run has its turn."""
        run = self._run
        if results.hit is not None:
            run.reporter.transition(run.run_id, _placed(run, results.cached(run)))
            return results.let_go(attempts_of(run, results).found(results.hit.value))
        place = run.trace.traceparent if run.trace is not None else ""
        running = StateReport(state=StateType.RUNNING, time=run.clock.time(), traceparent=place)
        run.reporter.transition(run.run_id, running)
        return run.parameters, results

    def _skip(self, failed: list[Future[Any]]) -> None:
        if not self._claims(_SKIP):
            return
        state = skipped(self._future.child, failed)
        report = StateReport(
            state=state.type,
            time=self._run.clock.time(),
            reason=state.reason,
            message=state.message,
        )
        self._run.reporter.transition(self._run.run_id, _placed(self._run, report))
        if self._run.trace is not None:
            self._run.trace.skipped(self._run, report)
        self._end(state)

    def _end(self, state: State[Any]) -> None:
        run = self._run
        if run.at_end is not None:
            run.tell_end(state)
        self._future.child.state = state.of_run(run.kind, run.run_id, run.name)
        self._run.children.settle(self._future.child)
        self._future.finish(state)


def _placed(run: RunContext, state: StateReport) -> StateReport:
    """A state with its place in the run's trace, if it has one."""
    if run.trace is None or not run.trace.traceparent:
        return state
    return replace(state, traceparent=run.trace.traceparent)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _in_turn(work: Any) -> None:
    """Runs work after the work of this thread that led to it: long chains don't nest."""
    queue: list[Any] | None = getattr(_quick, "queue", None)
    if queue is not None:
        queue.append(work)
        return
    _quick.queue = queue = [work]
    try:
        while queue:
            queue.pop(0)()
    finally:
        _quick.queue = None
