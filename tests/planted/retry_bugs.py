"""The planted bugs of retries and budgets: what runs again, and how often."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_RETRYING = "service/towpath_service/work/application/retrying.py"
_OF_SERVICE = "tests/contract/work/test_retrying.py"
_PAUSING = "tests/contract/work/test_pausing.py"
_BUDGETS = "tests/unit/sdk/engine/test_budgets.py"
_IN_FLOWS = "tests/unit/sdk/engine/test_replay.py"

RETRY_BUGS = (
    PlantedBug(
        name="repeated-retries-begin-another-attempt",
        file=_RETRYING,
        correct="        if 0 < request.attempt == run.attempt - 1:\n            return\n",
        broken="",
        caught_by=(f"{_OF_SERVICE}::test_of_requests_at_once_one_takes_effect",),
    ),
    PlantedBug(
        name="retries-keep-the-old-code",
        file=_RETRYING,
        correct="                deployment_revision=deployment.revision,\n",
        broken="                deployment_revision=1,\n",
        caught_by=(
            f"{_OF_SERVICE}::test_the_next_attempt_is_made_from_what_the_deployment_is_now",
        ),
    ),
    PlantedBug(
        name="retries-wait-for-the-earlier-process",
        file=_RETRYING,
        correct="        run.producer_id = None\n",
        broken="",
        caught_by=(f"{_OF_SERVICE}::test_an_ended_run_is_queued_as_its_next_attempt",),
    ),
    PlantedBug(
        name="later-attempts-run-named-tasks-again",
        file="sdk/towpath/_engine/caching.py",
        correct="stored.attempt >= replay.attempt)\n",
        broken="stored.attempt < 0)\n",
        caught_by=(f"{_IN_FLOWS}::test_a_later_attempt_takes_what_the_retry_ran_again",),
    ),
    PlantedBug(
        name="dependents-of-named-tasks-are-reused",
        file="sdk/towpath/_runs/replaying.py",
        correct="        or any(each.replayed for each in upstream)\n",
        broken="",
        caught_by=(f"{_IN_FLOWS}::test_only_what_waits_for_the_named_call_runs_again",),
    ),
    PlantedBug(
        name="timeouts-run-while-paused",
        file="sdk/towpath/_runs/budget.py",
        correct="            self._ends += time.monotonic() - began\n",
        broken="",
        caught_by=(f"{_BUDGETS}::test_a_budget_stands_still_while_it_is_held",),
    ),
    PlantedBug(
        name="waits-for-processes-take-no-time",
        file="sdk/towpath/_runners/remote/bodies.py",
        correct="        left.append(facts.deadline - time.time())\n",
        broken="        left.append(facts.deadline)\n",
        caught_by=(f"{_BUDGETS}::test_the_time_in_which_a_call_waits_for_a_worker_counts",),
    ),
    PlantedBug(
        name="followed-requests-pause-again",
        file="service/towpath_service/work/application/pausing.py",
        correct="        control.remove_directives(scope.tenant_id, [run.run_id])\n",
        broken="",
        caught_by=(f"{_PAUSING}::test_a_run_that_executes_is_asked_to_pause_until_it_was_resumed",),
    ),
)
