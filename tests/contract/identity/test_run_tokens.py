"""What a token of one run may do, and reports across workspaces."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa
from towpath.api.v1 import log_service_pb2
from towpath_service.runs.storage.tables import run

from tests.contract.identity.streams import begun
from tests.in_process.leasing import give_lease
from tests.in_process.place import metadata
from tests.in_process.producing import batch, creation, transition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.in_process.place import Place

PARENT = "workspaces/default"


async def report(place: Place, token: str, *updates: Any, workspace: str = PARENT) -> list[str]:
    """Reasons for which updates are refused."""
    answer = await place.call(
        token,
        "IngestService/RecordUpdates",
        workspace=workspace,
        producer_id=str(uuid4()),
        batch=batch(1, *updates),
    )
    return [item.reason for item in answer.ack.rejections]


async def lease_of(place: Place, principal: str, run_id: str, **lease: Any) -> str:
    """The id of a lease of a run for a worker of a principal."""
    tenant_id = place.authority._verifier.verify(place.owner, time.time()).tenant_id
    return await give_lease(place.service.stores.database, tenant_id, run_id, principal, **lease)


async def run_token(
    place: Place, run_id: str, attempt: int = 1, *, fence: int = 1
) -> tuple[str, str]:
    """A token for a run, and the key of the worker that asked for it."""
    name, key = await place.account("worker")
    made = await place.call(
        await place.token(key),
        "AuthService/IssueRunToken",
        run=f"{PARENT}/runs/{run_id}",
        attempt=attempt,
        lease_id=await lease_of(place, name, run_id, attempt=attempt, fence=fence),
    )
    return made.access_token, key


async def test_a_run_reports_itself_and_what_is_below_it(place: Place) -> None:
    run_id = await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    child, below = str(uuid4()), str(uuid4())
    assert await report(place, token, creation(child, parent_run_id=run_id)) == []
    deeper = creation(below, parent_run_id=child, root_run_id=run_id)
    assert await report(place, token, deeper, transition(below)) == []
    assert await report(place, token, transition(child), transition(run_id)) == []


async def test_a_run_reports_no_other(place: Place) -> None:
    run_id, other = await place.run(place.owner), await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    assert await report(place, token, transition(other)) == ["RUN_UNKNOWN"]
    assert await report(place, token, creation(str(uuid4()))) == ["RUN_UNKNOWN"]
    under = creation(str(uuid4()), parent_run_id=other, root_run_id=other)
    assert await report(place, token, under) == ["RUN_UNKNOWN"]
    # What is below another run isn't below this one, whatever it says of its root.
    beside = creation(str(uuid4()), parent_run_id=other, root_run_id=run_id)
    assert await report(place, token, beside) == ["RUN_UNKNOWN"]
    found = await place.call(place.owner, "RunService/GetRun", name=f"{PARENT}/runs/{other}")
    assert found.run.state == 3


async def test_a_run_reads_nothing_and_manages_nothing(place: Place) -> None:
    run_id = await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    for method, fields in (
        ("RunService/GetRun", {"name": f"{PARENT}/runs/{run_id}"}),
        ("RunService/ListRuns", {"parent": PARENT}),
        ("AccessService/CreateApiKey", {}),
        (
            "AuthService/IssueRunToken",
            {"run": f"{PARENT}/runs/{run_id}", "attempt": 1, "lease_id": str(uuid4())},
        ),
    ):
        assert (await place.refusal(token, method, **fields)).reason == "PERMISSION_MISSING"
    who = await place.call(token, "AuthService/GetCaller")
    assert who.actor.principal == f"runs/{run_id}"


async def test_an_earlier_attempt_reports_no_more(place: Place) -> None:
    run_id = await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    retried = transition(run_id, 5)
    retried.transition.attempt = 2
    assert await report(place, place.owner, retried) == []
    assert await report(place, token, transition(run_id)) == ["RUN_UNKNOWN"]
    name, key = await place.account("worker")
    lease_id = await lease_of(place, name, run_id, attempt=2, fence=2)
    refusal = await place.refusal(
        *(await place.token(key), "AuthService/IssueRunToken"),
        run=f"{PARENT}/runs/{run_id}",
        attempt=1,
        lease_id=lease_id,
    )
    assert refusal.reason == "STALE_ATTEMPT"


async def test_an_earlier_attempt_reports_nothing_below_it_and_reads_no_secret(
    place: Place,
) -> None:
    await place.call(
        *(place.owner, "SecretService/CreateSecret"),
        parent=PARENT,
        secret_id="pw",
        secret={"value": b"x"},
    )
    run_id = await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    later, _ = await run_token(place, run_id, 2)
    child = str(uuid4())
    assert await report(place, token, creation(child, parent_run_id=run_id)) == []
    retried = transition(run_id, 5)
    retried.transition.attempt = 1
    assert await report(place, place.owner, retried) == []
    for update in (transition(child), creation(str(uuid4()), parent_run_id=run_id)):
        assert await report(place, token, update) == ["RUN_UNKNOWN"]
    secret = {"name": f"{PARENT}/secrets/pw"}
    refusal = await place.refusal(token, "SecretService/AccessSecret", **secret)
    assert refusal.reason == "STALE_ATTEMPT"
    assert await report(place, later, transition(child)) == []
    assert (await place.call(later, "SecretService/AccessSecret", **secret)).value == b"x"


async def test_a_run_learns_nothing_of_others_by_creating_them_again(place: Place) -> None:
    run_id, other = await place.run(place.owner), await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    for fields in ({"root_run_id": run_id}, {"parent_run_id": run_id}, {}):
        again = creation(other, kind=1, flow_id="nightly", **fields)
        answer = await place.call(
            *(token, "IngestService/RecordUpdates"),
            workspace=PARENT,
            producer_id=str(uuid4()),
            batch=batch(1, again),
        )
        [refused] = answer.ack.rejections
        assert (refused.reason, refused.current_state) == ("RUN_UNKNOWN", 0)
    child = creation(str(uuid4()), parent_run_id=run_id)
    assert await report(place, token, child) == []
    assert await report(place, token, child) == []


async def test_a_run_adds_nothing_to_the_tree_of_another(place: Place) -> None:
    run_id, other = await place.run(place.owner), await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    inside = creation(str(uuid4()), parent_run_id=run_id, root_run_id=other)
    assert await report(place, token, inside) == ["RUN_UNKNOWN"]
    # A run that is itself in a tree goes on with that one.
    part = str(uuid4())
    made = creation(part, kind=1, flow_id="part", parent_run_id=run_id, root_run_id=run_id)
    assert await report(place, token, made) == []
    of_part, _ = await run_token(place, part)
    task = creation(str(uuid4()), parent_run_id=part, root_run_id=run_id)
    assert await report(place, of_part, task) == []


async def test_a_runs_token_ends_with_its_workers_key(place: Place) -> None:
    run_id = await place.run(place.owner)
    token, key = await run_token(place, run_id)
    await place.call(place.owner, "AccessService/RevokeApiKey", name=key.split("_")[1])
    refusal = await place.refusal(token, "AuthService/GetCaller")
    assert refusal.reason == "CREDENTIAL_REVOKED"


async def test_a_run_may_nothing_once_its_worker_may_start_it_no_more(place: Place) -> None:
    run_id = await place.run(place.owner)
    name, key = await place.account("worker")
    worker = await place.token(key)
    made = await place.call(
        *(worker, "AuthService/IssueRunToken"),
        run=f"{PARENT}/runs/{run_id}",
        attempt=1,
        lease_id=await lease_of(place, name, run_id),
    )
    producer = {"workspace": PARENT, "producer_id": str(uuid4())}
    stream = place.service.dispatcher.bidi_stream(
        place.endpoint("IngestService/StreamUpdates"),
        _left_open(place.request("IngestService/StreamUpdates", open=producer)),
        metadata(made.access_token),
    )
    reading = await begun(stream)
    await place.call(
        place.owner, "AccessService/DeleteRoleBinding", principal=name, role="roles/worker"
    )
    assert await reading == "PERMISSION_MISSING"
    for method, fields in (
        ("SecretService/AccessSecret", {"name": f"{PARENT}/secrets/x"}),
        ("IngestService/StreamUpdates", {"open": producer}),
    ):
        refusal = await place.refusal(made.access_token, method, **fields)
        assert refusal.reason == "PERMISSION_MISSING"


async def _left_open(request: Any) -> AsyncIterator[Any]:
    yield request
    await asyncio.Event().wait()


async def test_a_run_writes_its_own_log_lines_only(place: Place) -> None:
    run_id, other = await place.run(place.owner), await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    records = []
    for number, of in enumerate((run_id, other), start=1):
        record = log_service_pb2.LogRecord(sequence=number, run_id=of, body="hello")
        record.occur_time.GetCurrentTime()
        records.append(record)
    answer = await place.call(
        *(token, "LogService/WriteLogs"),
        workspace=PARENT,
        producer_id=str(uuid4()),
        records=records,
    )
    assert answer.rejected_count == 1
    lines = await place.call(place.owner, "LogService/ListLogs", parent=f"{PARENT}/runs/{other}")
    assert not lines.records


async def test_runs_of_another_workspace_are_not_counted_among_a_runs_children(
    place: Place,
) -> None:
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    run_id = await place.run(place.owner)
    _, key = await place.account("runner", "team-a")
    child = creation(str(uuid4()), parent_run_id=run_id)
    assert await report(place, await place.token(key), child, workspace="workspaces/team-a") == []
    found = await place.call(place.owner, "RunService/GetRun", name=f"{PARENT}/runs/{run_id}")
    assert not found.run.child_counts
    assert await report(place, place.owner, creation(str(uuid4()), parent_run_id=run_id)) == []
    found = await place.call(place.owner, "RunService/GetRun", name=f"{PARENT}/runs/{run_id}")
    assert [item.count for item in found.run.child_counts] == [1]


async def test_a_worker_gets_tokens_of_the_runs_that_it_has_leased_only(place: Place) -> None:
    run_id, other = await place.run(place.owner), await place.run(place.owner)
    mine, key = await place.account("worker")
    theirs, _ = await place.account("worker")
    token = await place.token(key)

    async def refused(run_id: str, lease_id: str) -> str:
        fields = {"run": f"{PARENT}/runs/{run_id}", "attempt": 1, "lease_id": lease_id}
        return (await place.refusal(token, "AuthService/IssueRunToken", **fields)).reason

    assert await refused(run_id, str(uuid4())) == "LEASE_LOST"
    assert await refused(str(uuid4()), str(uuid4())) == "LEASE_LOST"
    assert await refused(run_id, "") == "INVALID_REQUEST"
    # A lease of another principal's worker, and one of another run.
    assert await refused(run_id, await lease_of(place, theirs, run_id)) == "LEASE_LOST"
    assert await refused(run_id, await lease_of(place, mine, other)) == "LEASE_LOST"
    held = await lease_of(place, mine, run_id)
    made = await place.call(
        *(token, "AuthService/IssueRunToken"),
        run=f"{PARENT}/runs/{run_id}",
        attempt=1,
        lease_id=held,
    )
    assert made.access_token
    # The lease has passed to another worker.
    await lease_of(place, theirs, run_id, fence=2)
    assert await refused(run_id, held) == "LEASE_LOST"


async def test_a_token_of_an_earlier_lease_reports_and_uses_nothing(place: Place) -> None:
    await place.call(
        *(place.owner, "SecretService/CreateSecret"),
        parent=PARENT,
        secret_id="pw",
        secret={"value": b"x"},
    )
    run_id = await place.run(place.owner)
    old, _ = await run_token(place, run_id, fence=1)
    new, _ = await run_token(place, run_id, fence=2)
    await place.service.stores.database.write(
        lambda transaction: transaction.connection.execute(
            sa.update(run).where(run.c.run_id == run_id).values(fence=2)
        )
    )
    secret = {"name": f"{PARENT}/secrets/pw"}
    assert await report(place, old, transition(run_id)) == ["LEASE_LOST"]
    refusal = await place.refusal(old, "SecretService/AccessSecret", **secret)
    assert refusal.reason == "LEASE_LOST"
    # A caller without a fence reports nothing of a dispatched run, whatever its rights are.
    assert await report(place, place.owner, transition(run_id)) == ["LEASE_LOST"]
    assert (await place.call(new, "SecretService/AccessSecret", **secret)).value == b"x"
    assert await report(place, new, transition(run_id)) == []


async def test_who_reports_in_one_workspace_touches_no_run_of_another(place: Place) -> None:
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    run_id = await place.run(place.owner)
    _, key = await place.account("runner", "team-a")
    token = await place.token(key)
    there = "workspaces/team-a"
    for update in (transition(run_id), creation(run_id, kind=1, flow_id="nightly")):
        assert await report(place, token, update, workspace=there) == ["RUN_UNKNOWN"]
    found = await place.call(place.owner, "RunService/GetRun", name=f"{PARENT}/runs/{run_id}")
    assert found.run.state == 3


async def test_what_is_handed_out_or_refused_is_written_down(place: Place) -> None:
    run_id = await place.run(place.owner)
    token, _ = await run_token(place, run_id)
    fields: dict[str, Any] = {"run": f"{PARENT}/runs/{run_id}", "attempt": 1}
    fields["lease_id"] = str(uuid4())
    await place.refusal(token, "AuthService/IssueRunToken", **fields)
    log = await place.call(place.owner, "AccessService/ListAuditEntries", page_size=2)
    told = [(entry.action, entry.resource, entry.outcome) for entry in log.audit_entries]
    assert told == [
        ("run_token.issue", fields["run"], "PERMISSION_DENIED"),
        ("run_token.issue", fields["run"], "OK"),
    ]
    assert token not in str(log)
