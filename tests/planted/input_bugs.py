"""The planted bugs of inputs between runs."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_INPUTS = "service/towpath_service/work/application/inputs.py"
_STORED = "service/towpath_service/runs/storage/inputs.py"
_TESTS = "tests/contract/work/test_inputs.py"
_SDK = "tests/unit/sdk/deploy/test_run_inputs.py"

INPUT_BUGS = (
    PlantedBug(
        name="ended-runs-take-inputs",
        file=_INPUTS,
        correct="        if run.state in TERMINAL_STATES:\n            raise _has_ended(run)\n",
        broken="",
        caught_by=(f"{_TESTS}::test_an_ended_run_takes_no_input_and_lets_nobody_wait",),
    ),
    PlantedBug(
        name="repeated-inputs-are-stored-twice",
        file=_INPUTS,
        correct="        if known is not None:\n",
        broken="        if known is not None and run.state in TERMINAL_STATES:\n",
        caught_by=(f"{_TESTS}::test_a_repeat_is_answered_as_the_first",),
    ),
    PlantedBug(
        name="runs-send-inputs-as-others",
        file=_INPUTS,
        correct="    if not request.within or not sender.startswith(OF_RUN):\n",
        broken="    if sender or not sender:\n",
        caught_by=(f"{_TESTS}::test_a_run_sends_to_runs_of_its_workspace_under_a_name_of_its_own",),
    ),
    PlantedBug(
        name="runs-read-inputs-of-others",
        file=_INPUTS,
        correct="        if request.within and request.within != run_id:\n",
        broken="        if request.within and not run_id:\n",
        caught_by=(f"{_TESTS}::test_a_run_reads_its_own_inputs_and_those_below_it",),
    ),
    PlantedBug(
        name="inputs-are-not-counted-as-stored",
        file=_STORED,
        correct="        add_stored(self._connection, scope, size)\n",
        broken="        del size\n",
        caught_by=(f"{_TESTS}::test_inputs_count_as_stored_until_their_run_is_deleted",),
    ),
    PlantedBug(
        name="new-inputs-are-not-told",
        file=_STORED,
        correct='        self._transaction.topics.add(Topic("input", *scope, run_id))\n',
        broken="",
        caught_by=(f"{_TESTS}::test_inputs_come_once_and_in_the_order_in_which_they_were_sent",),
        hangs=True,
    ),
    PlantedBug(
        name="a-receiver-gets-its-inputs-again",
        file="sdk/towpath/_deploy/receiving.py",
        correct="        self._position = incoming.found[-1].position\n",
        broken="",
        caught_by=(
            f"{_SDK}::test_a_run_receives_what_was_sent_with_the_sender_who_gets_the_answer",
        ),
        hangs=True,
    ),
)
