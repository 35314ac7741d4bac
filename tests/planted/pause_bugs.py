"""The planted bugs of pauses: who answers them, and what becomes of their runs."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_PAUSES = "service/towpath_service/runs/domain/pauses.py"
_WORK = "service/towpath_service/work/application"
_IN_FLOWS = "tests/unit/sdk/deploy/test_pausing.py"
_PAUSING = "tests/contract/work/test_pausing.py"

PAUSE_BUGS = (
    PlantedBug(
        name="pauses-are-answered-twice",
        file=_PAUSES,
        correct="            raise _answered(run, pause)\n",
        broken="            return pause\n",
        caught_by=(f"{_PAUSING}::test_of_two_answers_at_once_exactly_one_takes_effect",),
    ),
    PlantedBug(
        name="pauses-are-answered-after-their-deadline",
        file=_PAUSES,
        correct="    if pause.is_expired(now_us):\n",
        broken="    if now_us < 0:\n",
        caught_by=(f"{_PAUSING}::test_a_suspended_run_that_nobody_resumes_in_time_fails",),
    ),
    PlantedBug(
        name="suspended-runs-are-queued-beside-their-lease",
        file=f"{_WORK}/pausing.py",
        correct="            if not control.leases(scope.tenant_id, [run.run_id]):\n",
        broken="            if run.run_id:\n",
        caught_by=(f"{_PAUSING}::test_an_answer_while_the_process_exits_takes_effect_when_it_has",),
    ),
    PlantedBug(
        name="answers-are-lost-while-the-process-exits",
        file=f"{_WORK}/settling.py",
        correct="    resume_answered(dispatch, batch, endings, now_us)\n",
        broken="",
        caught_by=(f"{_PAUSING}::test_an_answer_while_the_process_exits_takes_effect_when_it_has",),
    ),
    PlantedBug(
        name="suspended-runs-crash-with-their-process",
        file="service/towpath_service/runs/domain/decisions.py",
        correct="        return self.state is RunState.PAUSED and self.reason == SUSPENDED\n",
        broken="        return False\n",
        caught_by=(f"{_PAUSING}::test_a_process_that_ends_otherwise_than_it_said_is_no_crash",),
    ),
    PlantedBug(
        name="paused-runs-stay-in-the-queue",
        file=f"{_WORK}/pausing.py",
        correct="        control.queue.remove_entries(request.scope.tenant_id, [run.run_id])\n",
        broken="",
        caught_by=(f"{_PAUSING}::test_a_run_that_waits_is_taken_out_of_the_queue_and_put_back",),
    ),
    PlantedBug(
        name="answers-are-not-checked",
        file=f"{_WORK}/pausing.py",
        correct='    check_parameters(schema, value, "input", named=False)\n',
        broken="",
        caught_by=(f"{_PAUSING}::test_an_answer_that_does_not_fit_leaves_the_pause_open",),
    ),
    PlantedBug(
        name="a-second-attempt-pauses-again",
        file="sdk/towpath/_deploy/pausing.py",
        correct="        if not self._run.fence and self._run.attempt == 1:\n",
        broken="        if self._run.attempt:\n",
        caught_by=(f"{_IN_FLOWS}::test_another_attempt_gets_its_answers_and_pauses_no_more",),
    ),
)
