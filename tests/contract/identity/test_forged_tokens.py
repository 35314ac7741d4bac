"""Tokens of pages and watches that callers made up: each is refused, by every list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.core.tokens import make_token

from tests.contract.identity.test_audit import TENANT

if TYPE_CHECKING:
    from tests.in_process.place import Place

HUGE: Any = 10**30
NO_NUMBERS: list[tuple[Any, ...]] = [("x",), (), (-5,), (HUGE,), ({},), (None,)]
WORKSPACE = {"parent": "workspaces/default"}
OF_RUNS = ("ListRuns", TENANT, "default", "")


def lists(run_id: str) -> list[tuple[str, tuple[str, ...], dict[str, Any], list[tuple[Any, ...]]]]:
    """Method, question, the rest of the request, and places that are none."""
    run = {"parent": f"workspaces/default/runs/{run_id}"}
    logs = ("Logs", TENANT, "default", run_id, "", "False", "False")
    return [
        ("AccessService/ListRoles", ("ListRoles", TENANT), {}, NO_NUMBERS),
        ("AccessService/ListAuditEntries", ("ListAuditEntries", TENANT), {}, NO_NUMBERS),
        (
            "RunService/ListRuns",
            (*OF_RUNS, ""),
            WORKSPACE,
            [(), (1,), ("x", "y"), (HUGE, "a"), (1, "\0"), (1, 1), ({}, "a")],
        ),
        (
            "RunService/ListRuns",
            (*OF_RUNS, "display_name"),
            {**WORKSPACE, "order_by": "display_name"},
            [(1, "a"), ("\0", "a")],
        ),
        ("FlowService/ListFlows", ("Flows", TENANT, "default"), WORKSPACE, [("\0",), (1,), ()]),
        (
            "RunService/ListRunTransitions",
            ("Transitions", TENANT, "default", run_id, "0"),
            run,
            NO_NUMBERS,
        ),
        ("RunService/ListRunDecisions", ("Decisions", TENANT, "default", run_id), run, NO_NUMBERS),
        ("LogService/ListLogs", logs, run, [(1,), ("x", "y"), (HUGE, HUGE)]),
    ]


async def test_a_forged_page_token_is_refused(place: Place) -> None:
    run_id = await place.run(place.owner)
    for method, question, fields, places in lists(run_id):
        for marked in places:
            token = make_token(question, marked)
            error = await place.refusal(place.owner, method, page_token=token, **fields)
            assert error.reason == "INVALID_PAGE_TOKEN", (method, marked)


@pytest.mark.parametrize("marked", NO_NUMBERS)
async def test_a_forged_resume_token_is_refused(small: Place, marked: tuple[Any, ...]) -> None:
    token = make_token(("WatchRuns", TENANT, "default", ""), marked)
    error = await small.refusal(
        small.owner, "RunService/WatchRuns", resume_token=token, **WORKSPACE
    )
    assert error.reason == "RESUME_TOKEN_INVALID"
