"""Reasons for the states of runs, with the command that helps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from towpath_service.core.transactions import SlotHolder, SlotWait
from towpath_service.runs.domain.pauses import Pause
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.work.domain.explaining import CLOCK_US, explain
from towpath_service.work.domain.explanations import Facts, ProcessFacts, WaitingFacts

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND
WORKER = "workspaces/default/workPools/local/workers/w-7"


def waiting(**changes: Any) -> WaitingFacts:
    fields: dict[str, Any] = {
        "due_us": NOW - SECOND,
        "pool": "workspaces/default/workPools/local",
        "pool_id": "local",
        "queue": "workspaces/default/workPools/local/queues/default",
        "queue_id": "default",
        "online_workers": 1,
        "free_slots": 1,
    }
    return WaitingFacts(**{**fields, **changes})


def facts(state: RunState, **changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "name": "workspaces/default/runs/r",
        "run_id": "r",
        "kind": RunKind.FLOW,
        "state": state,
        "state_reason": "",
        "state_message": "",
        "now_us": NOW,
    }
    return Facts(**{**fields, **changes})


def told(state: RunState, **changes: Any) -> list[tuple[str, str, str]]:
    return [
        (item.kind.name, item.message, item.command) for item in explain(facts(state, **changes))
    ]


@pytest.mark.parametrize(
    ("changes", "kind", "message", "command"),
    [
        (
            {"due_us": NOW + 65 * SECOND},
            *("NOT_YET_DUE", "it is due in 1 min 5 s", ""),
        ),
        (
            {"online_workers": 0, "paused_workers": ("w-7",)},
            *(
                "WORKERS_PAUSED",
                "the worker w-7 of the pool local is paused",
                "towpath worker resume local/w-7",
            ),
        ),
        (
            {"online_workers": 0, "paused_workers": ("w-7", "w-8", "w-9")},
            *(
                "WORKERS_PAUSED",
                "the worker w-7 of the pool local, and 2 more are paused",
                "towpath worker resume local/w-7",
            ),
        ),
        (
            {"pool_paused": True},
            *("POOL_PAUSED", "the pool local is paused", "towpath pool resume local"),
        ),
        (
            {"queue_paused": True, "queue_id": "gpu"},
            "QUEUE_PAUSED",
            "the queue gpu of the pool local is paused",
            "towpath queue resume local/gpu",
        ),
        (
            {"parked_by": "deployment/etl/nightly"},
            "LIMIT_FULL",
            "the limit of the deployment etl/nightly is full",
            "towpath deployment inspect etl/nightly",
        ),
        (
            {"parked_by": "pool/local"},
            "LIMIT_FULL",
            "the limit of the pool local is full",
            "towpath pool update local --limit N",
        ),
        (
            {"parked_by": "schedule/etl/nightly/daily"},
            *("OVERLAP", "earlier runs of its schedule are unfinished", ""),
        ),
        (
            {"online_workers": 0, "last_worker": "w-7", "last_seen_us": NOW - 240 * SECOND},
            "NO_WORKER",
            "no worker of the pool local is online (w-7 was last seen 4 min ago)",
            "towpath worker start --pool local",
        ),
        (
            {"online_workers": 0, "queue_id": "gpu"},
            "NO_WORKER",
            "no worker of the pool local serves the queue gpu",
            "towpath worker start --pool local",
        ),
        (
            {"pool_exists": False},
            *("NO_WORKER", "the pool local is gone", "towpath pool create local"),
        ),
        (
            {"online_workers": 2, "free_slots": 0},
            "WORKERS_FULL",
            "all slots of the 2 online workers are taken",
            "towpath worker start --pool local",
        ),
        ({"ahead": 3}, "QUEUE_POSITION", "3 runs are before it in the pool local", ""),
    ],
)
def test_a_waiting_run_says_what_it_waits_for(
    changes: dict[str, Any], kind: str, message: str, command: str
) -> None:
    assert told(RunState.SCHEDULED, waiting=waiting(**changes)) == [(kind, message, command)]


def test_the_decisive_reason_comes_first() -> None:
    many = waiting(pool_paused=True, online_workers=0, ahead=1, parked_by="pool/local")
    kinds = [item.kind.name for item in explain(facts(RunState.SCHEDULED, waiting=many))]
    assert kinds == ["POOL_PAUSED", "LIMIT_FULL", "NO_WORKER", "QUEUE_POSITION"]
    assert explain(facts(RunState.SCHEDULED, waiting=waiting())) == []


@pytest.mark.parametrize(
    ("reason", "command"), [("WORKER_FAULT", "towpath worker ls local"), ("RETURNED", "")]
)
def test_a_run_that_its_worker_gave_back_says_why(reason: str, command: str) -> None:
    changes: dict[str, Any] = {"state_reason": reason, "state_message": "w-7 has a full disk"}
    for due_us, end_us in ((NOW + SECOND, NOW + SECOND), (NOW - SECOND, None)):
        given = facts(RunState.SCHEDULED, waiting=waiting(due_us=due_us), **changes)
        [told] = explain(given)
        assert (told.kind.name, told.message, told.command, told.end_us) == (
            *("RETURNED", "w-7 has a full disk", command),
            end_us,
        )


def test_a_run_that_is_being_stopped_says_by_when() -> None:
    process = ProcessFacts(
        worker=WORKER,
        worker_id="w-7",
        pid=4711,
        asked_us=NOW - SECOND,
        grace_us=30 * SECOND,
        seen_us=NOW,
    )
    [reason] = explain(facts(RunState.CANCELLING, process=process))
    assert reason.kind.name == "STOPPING"
    assert reason.message == "process 4711 on w-7 is asked to end, and is killed if it doesn't"
    # 30 s of grace from the request, then SIGTERM, and SIGKILL 10 s later.
    assert (reason.end_us, reason.resources) == (NOW + 39 * SECOND, (WORKER,))


def test_nobody_can_kill_the_process_of_a_script() -> None:
    process = ProcessFacts(host="laptop", pid=12, seen_us=NOW - 45 * SECOND, asked_us=NOW)
    assert told(RunState.CANCELLING, process=process) == [
        (
            "STOP_NOT_CONFIRMED",
            (
                "not confirmed: no worker can stop process 12 on laptop; it ends at its next safe"
                " point"
            ),
            "kill 12",
        ),
        ("SILENT", "process 12 on laptop was last heard from 45 s ago", ""),
    ]


@pytest.mark.parametrize(
    ("state", "changes", "reasons"),
    [
        (RunState.RUNNING, {"process": ProcessFacts(seen_us=NOW - 30 * SECOND)}, []),
        (
            RunState.PENDING,
            {"process": ProcessFacts(worker=WORKER, worker_id="w-7")},
            [("STARTING", "the worker w-7 starts its process", "")],
        ),
        (
            RunState.PENDING,
            {"process": ProcessFacts(worker=WORKER, worker_id="w-7", clock_offset_us=CLOCK_US)},
            [("STARTING", "the worker w-7 starts its process", "")],
        ),
        (
            RunState.PENDING,
            {"process": ProcessFacts(worker=WORKER, worker_id="w-7", clock_offset_us=CLOCK_US + 1)},
            [
                ("STARTING", "the worker w-7 starts its process", ""),
                (
                    "WORKER_CLOCK",
                    (
                        "the clock of the worker w-7 is 30 s ahead of the server's: the times of"
                        " this run are off by as much"
                    ),
                    "towpath worker ls local",
                ),
            ],
        ),
        (
            RunState.RUNNING,
            {"process": ProcessFacts(worker=WORKER, worker_id="w-7", clock_offset_us=-90 * SECOND)},
            [
                (
                    "WORKER_CLOCK",
                    (
                        "the clock of the worker w-7 is 1 min 30 s behind the server's: the times"
                        " of this run are off by as much"
                    ),
                    "towpath worker ls local",
                ),
            ],
        ),
        (
            RunState.PENDING,
            {"upstream": ("a", "b")},
            [("UPSTREAM", "it waits for 2 upstream runs", "")],
        ),
        (
            RunState.RETRYING,
            {"next_attempt_us": NOW + 90 * SECOND},
            [("NEXT_ATTEMPT", "its next attempt begins in 1 min 30 s", "")],
        ),
        (RunState.PAUSED, {}, [("PAUSED", "it is paused", "towpath run logs r")]),
        (
            RunState.FAILED,
            {"state_message": "ValueError: x"},
            [("FAILED", "ValueError: x", "towpath run logs r")],
        ),
        (
            RunState.CRASHED,
            {"state_message": "killed"},
            [("CRASHED", "killed", "towpath run logs r")],
        ),
        (RunState.CANCELLED, {}, [("CANCELLED", "it was cancelled", "")]),
        (
            RunState.TIMED_OUT,
            {"state_reason": "START_DEADLINE", "waiting": waiting()},
            [
                (
                    "TIMED_OUT",
                    "no worker started it in time",
                    "towpath worker start --pool local",
                )
            ],
        ),
        (
            RunState.TIMED_OUT,
            {},
            [("TIMED_OUT", "it took longer than its timeout", "towpath run logs r")],
        ),
        (
            RunState.SKIPPED,
            {"state_reason": "UPSTREAM_FAILED", "state_message": "load failed"},
            [("UPSTREAM_FAILED", "load failed", "")],
        ),
        (RunState.SKIPPED, {}, []),
        (RunState.COMPLETED, {}, []),
    ],
)
def test_a_state_says_why(
    state: RunState, changes: dict[str, Any], reasons: list[tuple[str, str, str]]
) -> None:
    assert told(state, **changes) == reasons


def test_each_state_has_an_explanation() -> None:
    for state in RunState:
        explain(replace(facts(state), waiting=waiting()))


def test_a_run_that_waits_for_slots_is_told_who_holds_them_and_what_frees_them() -> None:
    wait = SlotWait(
        limit_id="db",
        since_us=NOW - 40 * SECOND,
        held=5,
        slots=5,
        holders=[SlotHolder("0a1b", "other", "load, w-7, pid 4711"), SlotHolder("0a1c", "", "")],
    )
    [reason] = explain(facts(RunState.RUNNING, slot_waits=[wait]))
    assert (reason.kind.name, reason.message, reason.command) == (
        "LIMIT_FULL",
        (
            "it has waited 40 s for the limit db: 5 of 5 slots are held, the first by load, w-7,"
            " pid 4711"
        ),
        "towpath limit release db 0a1b",
    )
    assert reason.resources == (
        "workspaces/default/limits/db",
        "workspaces/default/runs/other",
    )


def test_a_paused_run_says_what_it_waits_for():
    schema = '{"required": ["approve", "note"]}'
    pause = Pause(key="1", suspended=True, input_schema=schema, created_us=0, deadline_us=NOW)
    paused = facts(RunState.PAUSED, pause=pause, now_us=NOW - 90 * SECOND)
    [reason] = explain(paused)
    assert reason.message == "it waits for approve, note, for another 1 min 30 s"
    given = "--input approve=VALUE --input note=VALUE"
    assert reason.command == f"towpath run resume {paused.run_id} {given}"
    assert reason.end_us == NOW


def test_a_pause_that_was_answered_waits_for_nothing():
    pause = Pause(
        key="1", suspended=True, input_schema="", created_us=0, answered_us=1, actor="ada"
    )
    [reason] = explain(facts(RunState.PAUSED, pause=pause))
    assert reason.message == "it was resumed by ada, and is about to go on"
    assert reason.command == ""


@pytest.mark.parametrize("schema", ["", "{", "[]", "{}", '{"required": 1}'])
def test_a_pause_without_names_waits_to_be_resumed(schema: str):
    pause = Pause(key="1", suspended=False, input_schema=schema, created_us=0)
    [reason] = explain(facts(RunState.PAUSED, pause=pause))
    assert reason.message == "it waits to be resumed"


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        ("OUT_OF_MEMORY", "towpath deployment inspect etl/nightly"),
        ("IMAGE_PULL", "towpath deployment inspect etl/nightly"),
        ("POD_START_TIMEOUT", "towpath pool inspect local"),
        ("PROCESS_KILLED", "towpath run logs r"),
    ],
)
def test_a_crash_names_the_command_that_shows_what_to_change(reason: str, command: str) -> None:
    changes = {"state_reason": reason, "state_message": "m", "deployment": "etl/nightly"}
    assert told(RunState.CRASHED, **changes, pool_id="local") == [("CRASHED", "m", command)]
    assert told(RunState.CRASHED, state_reason=reason) == [
        ("CRASHED", "its process was lost", "towpath run logs r")
    ]
