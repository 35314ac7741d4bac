"""Planted bugs of asynchronous code: cancellations, generators, shared loops, deep nesting."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_ENGINE = "tests/unit/sdk/engine"
_CANCELLATION = f"{_ENGINE}/test_cancellation.py"
_SHARED = f"{_ENGINE}/test_shared_loops.py"
_FLOW_RUNS = "sdk/towpath/_engine/flow_runs.py"
_LOOPS = "sdk/towpath/_runs/loops.py"

ASYNC_BUGS = (
    PlantedBug(
        name="a-cancelled-task-that-was-dealt-with-fails-its-flow",
        file="sdk/towpath/_engine/task_runs.py",
        correct="        called.raised(interruption(error))\n        raise\n",
        broken="        called.settle(interruption(error))\n        raise\n",
        caught_by=(f"{_CANCELLATION}::test_a_flow_that_dealt_with_a_cancellation_completes",),
    ),
    PlantedBug(
        name="a-cancelled-subflow-that-was-dealt-with-fails-its-flow",
        file=_FLOW_RUNS,
        correct="        self._child.handle()\n",
        broken="",
        caught_by=(f"{_CANCELLATION}::test_a_flow_that_dealt_with_a_cancellation_completes",),
    ),
    PlantedBug(
        name="async-flows-begin-before-they-are-awaited",
        file="sdk/towpath/_engine/flow_calls.py",
        correct="        return self._run_async(parameters, lenient=lenient)\n",
        broken=(
            "        if isinstance(parameters, dict):\n"
            "            return flow_runs.FlowRun(self._flow, parameters).to_end_async()\n"
            "        return self._run_async(parameters, lenient=lenient)\n"
        ),
        caught_by=(f"{_CANCELLATION}::test_a_flow_that_is_never_awaited_has_no_run",),
    ),
    PlantedBug(
        name="an-async-generator-left-early-is-not-closed-in-its-run",
        file="sdk/towpath/_engine/generators.py",
        correct=(
            "                    with self._in_run():\n"
            "                        await inner.aclose()\n"
        ),
        broken="                    await inner.aclose()\n",
        caught_by=(_CANCELLATION,),
    ),
    PlantedBug(
        name="tasks-of-async-flows-get-another-loop",
        file=_LOOPS,
        correct="own is not None and own.waits < DEEPEST",
        broken="own is not None and own.waits < 0",
        caught_by=(f"{_SHARED}::test_an_async_flow_and_its_tasks_share_a_client",),
    ),
    PlantedBug(
        name="a-wait-takes-callbacks-from-the-loop-around-it",
        file=_LOOPS,
        correct="while len(self._ready) < self._due:",
        broken="while False:",
        caught_by=(f"{_SHARED}::test_what_was_ready_before_a_wait_is_run_once",),
    ),
    PlantedBug(
        name="a-timeout-strikes-what-its-loop-runs-meanwhile",
        file="sdk/towpath/_strikes.py",
        correct="        self._target = _targets.pop(self._thread, None)\n",
        broken="        self._target = None\n",
        caught_by=(f"{_SHARED}::test_a_timeout_passes_by_what_its_loop_runs_meanwhile",),
    ),
    PlantedBug(
        name="loops-outlive-their-root-run",
        file=_FLOW_RUNS,
        correct="            run.loops.close()\n",
        broken="",
        caught_by=(f"{_SHARED}::test_the_loop_is_closed_in_the_end",),
    ),
    PlantedBug(
        name="tasks-see-the-context-of-what-they-waited-for",
        file="sdk/towpath/_engine/submissions.py",
        correct="self._context.run(self._begin)",
        broken="self._begin()",
        caught_by=(f"{_SHARED}::test_context_variables_are_those_of_the_submission",),
    ),
    PlantedBug(
        name="a-recursion-without-an-end-is-tried-again",
        file="sdk/towpath/_engine/attempts.py",
        correct="(FlowRunFailed, NestingError, ResultError,",
        broken="(FlowRunFailed, ResultError,",
        caught_by=(f"{_ENGINE}/test_nesting.py::test_the_error_of_the_limit_is_not_tried_again",),
    ),
)
