"""CreateRun, CancelRun and ExplainRun as callers see them."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import select
from towpath.api.v1 import run_pb2, run_service_pb2, state_pb2
from towpath_service.core.tenant_limits import DEFAULTS
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.domain.deployments import Deployment, DeploymentContent
from towpath_service.work.domain.names import DeploymentName, PoolName, QueueName
from towpath_service.work.domain.pools import Pool, PoolSettings, Queue, QueueSettings
from towpath_service.work.storage.jobs import jobs_of, read_jobs
from towpath_service.work.storage.resource_store import SqlResources
from towpath_service.work.storage.tables import run_origin

from tests.in_process.leasing import NOW_US, give_lease

if TYPE_CHECKING:
    from tests.in_process.place import Place

PARENT = "workspaces/default"
NIGHTLY = f"{PARENT}/flows/etl/deployments/nightly"
SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}, "rows": {"type": "integer"}}}


def tenant_of(place: Place) -> str:
    return place.authority._verifier.verify(place.owner, time.time()).tenant_id


async def deploy(place: Place, deployment_id: str = "nightly", **content: Any) -> str:
    """Deploys etl to the pool "local"; returns the deployment's name."""
    tenant_id, name = tenant_of(place), DeploymentName("default", "etl", deployment_id)
    known: dict[str, Any] = {"flow_name": "Etl", "pool_id": "local", "queue_id": "default"}
    made = DeploymentContent(entrypoint="etl.py:etl", **{**known, **content})

    def work(transaction: Any) -> None:
        resources = SqlResources(transaction, tenant_id)
        pool = PoolName("default", "local")
        times = {"created_us": NOW_US, "updated_us": NOW_US}
        resources.pools.add(Pool(name=pool, settings=PoolSettings(kind="process"), **times))
        queue = QueueName(*pool, "default")
        resources.queues.add(Queue(name=queue, settings=QueueSettings(), **times))
        deployment = Deployment(name=name, content=made, owner="users/ada", **times)
        resources.deployments.add(deployment)

    await place.service.stores.database.write(work, tenants={tenant_id})
    return str(name)


async def create(place: Place, token: str = "", **fields: Any) -> Any:
    known = {"parent": PARENT, "deployment": NIGHTLY}
    return await place.call(token or place.owner, "RunService/CreateRun", **{**known, **fields})


async def refusal(place: Place, token: str = "", **fields: Any) -> Any:
    known = {"parent": PARENT, "deployment": NIGHTLY}
    return await place.refusal(token or place.owner, "RunService/CreateRun", **{**known, **fields})


async def token_of(place: Place, run_id: str, **lease: Any) -> str:
    """A token for the process of a run."""
    name, key = await place.account("worker")
    database = place.service.stores.database
    lease_id = await give_lease(database, tenant_of(place), run_id, name, **lease)
    made = await place.call(
        *(await place.token(key), "AuthService/IssueRunToken"),
        run=f"{PARENT}/runs/{run_id}",
        attempt=1,
        lease_id=lease_id,
    )
    return str(made.access_token)


async def test_a_run_has_what_deployment_and_caller_give_it(place: Place) -> None:
    await deploy(
        place,
        parameters='{"day": "2026-12-01", "rows": 5}',
        parameter_schema=json.dumps(SCHEMA),
        enforce_parameter_schema=True,
        tags=("nightly",),
        labels={"team": "data", "os": "linux"},
        priority=70,
        paused=True,
    )
    made = await create(
        place,
        parameters={"data": b'{"rows": 7}'},
        tags=["by-hand"],
        labels={"os": "any"},
        display_name="once more",
        trace_context={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
    )
    run = made.run
    assert not made.existing
    assert json.loads(run.parameters.data) == {"day": "2026-12-01", "rows": 7}
    assert (run.state, run.kind) == (state_pb2.RUN_STATE_SCHEDULED, run_pb2.RUN_KIND_FLOW)
    assert (run.display_name, run.flow, run.flow_name) == (
        *("once more", f"{PARENT}/flows/etl", "Etl"),
    )
    assert (sorted(run.tags), dict(run.labels)) == (
        *(["by-hand", "nightly"], {"team": "data", "os": "any"}),
    )
    assert (run.deployment, run.deployment_revision) == (NIGHTLY, 1)
    assert run.work_queue == f"{PARENT}/workPools/local/queues/default"
    assert (run.trigger, run.triggered_by, run.worker) == (run_pb2.TRIGGER_KIND_API, "", "")
    assert (run.priority, run.trace_context.traceparent[3:5]) == (70, "aa")
    [listed] = (await place.call(place.owner, "RunService/ListRuns", parent=PARENT)).runs
    assert (listed.deployment, listed.work_queue) == (run.deployment, run.work_queue)


@pytest.mark.parametrize(
    ("own", "given", "counts"),
    [(None, None, None), (60, None, 60), (None, 5, 5), (60, 5.5, 5.5), (5, 60, 5)],
)
async def test_the_smaller_timeout_of_deployment_and_caller_counts(
    small: Place, own: int | None, given: float | None, counts: float | None
) -> None:
    await deploy(small, timeout_us=None if own is None else own * 1_000_000)
    fields: dict[str, Any] = {} if given is None else {"timeout": timedelta(seconds=given)}
    run = (await create(small, **fields)).run
    assert run.HasField("timeout") == (counts is not None)
    assert run.timeout.ToTimedelta() == timedelta(seconds=counts or 0)
    name, _ = await small.account("worker")
    await give_lease(small.service.stores.database, tenant_of(small), run.run_id, name)
    key = RunKey(tenant_of(small), run.run_id)
    jobs = await small.service.stores.database.read(
        lambda transaction: jobs_of(read_jobs(transaction.connection, [key])),
        tenants={key.tenant_id},
    )
    assert jobs[key].timeout_us == (None if counts is None else counts * 1_000_000)


async def test_a_leased_run_shows_its_worker(place: Place) -> None:
    await deploy(place)
    run = (await create(place)).run
    assert run.display_name == f"etl-{run.short_id}"
    name, _ = await place.account("worker")
    await give_lease(place.service.stores.database, tenant_of(place), run.run_id, name)
    shown = await place.call(place.owner, "RunService/GetRun", name=run.name)
    assert shown.run.worker.startswith(f"{PARENT}/workPools/local/workers/w-")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"deployment": f"{PARENT}/flows/etl/deployments/none"}, "RESOURCE_NOT_FOUND"),
        ({"deployment": "workspaces/other/flows/etl/deployments/nightly"}, "INVALID_REQUEST"),
        ({"deployment": "nightly"}, "INVALID_REQUEST"),
        ({"parameters": {"data": b'{"rows": "many"}'}}, "INVALID_REQUEST"),
        ({"parameters": {"data": b"[1]"}}, "INVALID_REQUEST"),
        ({"parameters": {"uri": "s3://x/y"}}, "INVALID_REQUEST"),
        ({"parameters": {"data": b'{"day": "%s"}' % (b"x" * 70_000)}}, "PAYLOAD_TOO_LARGE"),
        ({"job_overrides_json": "[]"}, "INVALID_REQUEST"),
        ({"work_queue": "gpu"}, "RESOURCE_NOT_FOUND"),
        ({"parent_run_id": str(uuid4())}, "RESOURCE_NOT_FOUND"),
        ({"run_id": "x"}, "INVALID_REQUEST"),
        ({"timeout": timedelta(0)}, "INVALID_REQUEST"),
        ({"timeout": timedelta(seconds=-1)}, "INVALID_REQUEST"),
        ({"labels": {str(n): "" for n in range(64)}}, "INVALID_REQUEST"),
    ],
)
async def test_what_cannot_be_run_is_refused(
    small: Place, fields: dict[str, Any], reason: str
) -> None:
    schema = json.dumps(SCHEMA)
    labels = {"team": "data"}
    await deploy(small, parameter_schema=schema, enforce_parameter_schema=True, labels=labels)
    assert (await refusal(small, **fields)).reason == reason
    runs = await small.call(small.owner, "RunService/ListRuns", parent=PARENT)
    assert not runs.runs


@pytest.mark.parametrize(
    "fields",
    [
        {"display_name": "a\0b"},
        {"idempotency_key": "a\0b"},
        {"tags": ["a\0b"]},
        {"labels": {"k": "a\0b"}},
        {"work_queue": "a\0b"},
        {"job_overrides_json": '{"a": "\0"}'},
        {"trace_context": {"traceparent": "a\0b"}},
        {"parameters": {"data": b'{"a": "\0"}'}},
    ],
)
async def test_texts_that_no_database_holds_are_refused(
    place: Place, fields: dict[str, Any]
) -> None:
    await deploy(place)
    refused = await refusal(place, **fields)
    assert refused.reason in {"INVALID_REQUEST", "RESOURCE_NOT_FOUND"}


async def test_a_schema_that_is_not_enforced_refuses_nothing(small: Place) -> None:
    await deploy(small, parameter_schema=json.dumps(SCHEMA))
    made = await create(small, parameters={"data": b'{"rows": "many"}'})
    assert json.loads(made.run.parameters.data) == {"rows": "many"}


async def test_a_deployment_without_a_pool_runs_nowhere(small: Place) -> None:
    await deploy(small, pool_id="", queue_id="")
    refused = await refusal(small)
    assert (refused.reason, refused.metadata["resource"]) == ("NOT_DISPATCHABLE", NIGHTLY)


async def test_a_repeated_request_is_answered_with_the_first_run(place: Place) -> None:
    await deploy(place)
    first = await create(place, idempotency_key="k")
    again = await create(place, idempotency_key="k", parameters={"data": b'{"other": 1}'})
    assert (again.run.run_id, again.existing) == (first.run.run_id, True)
    run_id = str(uuid4())
    assert [(await create(place, run_id=run_id)).existing for _ in range(2)] == [False, True]
    await deploy(place, "weekly")
    other = f"{PARENT}/flows/etl/deployments/weekly"
    assert (await refusal(place, run_id=run_id, deployment=other)).reason == "RUN_CONFLICT"


async def test_a_tenant_queues_so_many_runs(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("dict[str, int]", DEFAULTS), "queued_runs", 2)
    await deploy(small)
    first = await create(small, idempotency_key="k")
    await create(small)
    refused = await refusal(small)
    assert (refused.reason, refused.metadata["quota"]) == ("QUOTA_EXCEEDED", "queued_runs")
    assert refused.retry_after_seconds is not None
    # A repeat needs no room, and a refused one has left nothing.
    assert (await create(small, idempotency_key="k")).run.run_id == first.run.run_id
    runs = await small.call(small.owner, "RunService/ListRuns", parent=PARENT)
    assert len(runs.runs) == 2


async def test_the_operator_sets_how_many_runs_a_tenant_queues(small: Place) -> None:
    await deploy(small)
    quotas = {"queued_runs": 1}
    limit = "TenantService/SetTenantQuotas"
    await small.call(small.owner, limit, name="tenants/main", quotas=quotas)
    await create(small)
    assert (await refusal(small)).metadata == {"quota": "queued_runs", "limit": "1"}


async def test_a_run_tells_who_created_it_and_job_variables_fit_the_pool(small: Place) -> None:
    await deploy(small)
    made = (await create(small)).run
    found = await small.call(small.owner, "RunService/GetRun", name=made.name)
    assert made.creator.principal == found.run.creator.principal == "users/owner@example.org"
    refused = await refusal(small, job_overrides_json='{"image": "etl:1"}')
    [violation] = refused.violations
    assert violation.field == "job_overrides_json.image"
    assert "env, python, stop_seconds, working_directory" in violation.description
    script = await small.run(small.owner)
    name = f"{PARENT}/runs/{script}"
    told = await small.call(small.owner, "RunService/GetRun", name=name)
    assert told.run.creator.principal == "users/owner@example.org"


async def test_a_run_creates_and_cancels_below_itself_only(place: Place) -> None:
    await deploy(place)
    run_id, other = await place.run(place.owner), await place.run(place.owner)
    token = await token_of(place, run_id)
    assert (await refusal(place, token)).reason == "PERMISSION_MISSING"
    assert (await refusal(place, token, parent_run_id=other)).reason == "RESOURCE_NOT_FOUND"
    child = (await create(place, token, parent_run_id=run_id)).run
    assert (child.parent_run, child.root_run) == (f"{PARENT}/runs/{run_id}",) * 2
    assert child.triggered_by == child.parent_run
    deeper = (await create(place, token, parent_run_id=child.run_id)).run
    assert deeper.root_run == f"{PARENT}/runs/{run_id}"
    cancel = "RunService/CancelRun"
    refused = await place.refusal(token, cancel, name=f"{PARENT}/runs/{other}")
    assert refused.reason == "RESOURCE_NOT_FOUND"
    answer = await place.call(token, cancel, name=child.name, message="enough")
    assert answer.run.state == state_pb2.RUN_STATE_CANCELLED
    assert (answer.run.state_message, answer.descendant_count) == ("enough", 1)
    # Nothing is created below a run that has ended.
    refused = await refusal(place, token, parent_run_id=child.run_id)
    assert refused.reason == "TRANSITION_NOT_ALLOWED"


async def test_a_run_uses_the_secrets_that_its_deployment_names(place: Place) -> None:
    for secret_id in ("named", "other"):
        await place.call(
            *(place.owner, "SecretService/CreateSecret"),
            parent=PARENT,
            secret_id=secret_id,
            secret={"value": b"x"},
        )
    await deploy(place, secrets=("named",))
    run = (await create(place)).run
    token = await token_of(place, run.run_id)
    used = await place.call(token, "SecretService/AccessSecret", name=f"{PARENT}/secrets/named")
    assert used.value == b"x"
    for secret_id in ("other", "none"):
        refused = await place.refusal(
            token, "SecretService/AccessSecret", name=f"{PARENT}/secrets/{secret_id}"
        )
        assert refused.reason == "PERMISSION_MISSING"


async def test_the_key_of_a_deleted_run_makes_another(place: Place) -> None:
    await deploy(place)
    first = (await create(place, idempotency_key="k")).run
    await place.call(place.owner, "RunService/CancelRun", name=first.name)
    assert (await create(place, idempotency_key="k")).run.run_id == first.run_id
    await place.call(place.owner, "RunService/DeleteRun", name=first.name)
    second = await create(place, idempotency_key="k")
    assert (second.existing, second.run.run_id != first.run_id) == (False, True)
    assert (await create(place, idempotency_key="k")).run.run_id == second.run.run_id
    origins = await place.service.stores.database.read(
        lambda transaction: transaction.connection.execute(select(run_origin.c.run_id)).all(),
        tenants={tenant_of(place)},
    )
    assert [row.run_id for row in origins] == [second.run.run_id]


async def test_the_waiting_runs_of_a_deleted_deployment_are_cancelled(place: Place) -> None:
    await deploy(place)
    await deploy(place, "weekly")
    waiting = (await create(place)).run
    weekly = f"{PARENT}/flows/etl/deployments/weekly"
    other = (await create(place, deployment=weekly)).run
    await place.call(place.owner, "DeploymentService/DeleteDeployment", name=NIGHTLY)
    found = await place.call(place.owner, "RunService/GetRun", name=waiting.name)
    assert found.run.state == state_pb2.RUN_STATE_CANCELLED
    assert found.run.state_reason == "DEPLOYMENT_DELETED"
    found = await place.call(place.owner, "RunService/GetRun", name=other.name)
    assert found.run.state == state_pb2.RUN_STATE_SCHEDULED


async def test_a_request_to_cancel_is_written_down(small: Place) -> None:
    await deploy(small)
    run = (await create(small)).run
    await small.call(small.owner, "RunService/CancelRun", name=run.name)
    refused = await small.refusal(small.owner, "RunService/CancelRun", name=run.name)
    assert refused.reason == "TRANSITION_NOT_ALLOWED"
    log = await small.call(small.owner, "AccessService/ListAuditEntries", page_size=3)
    told = [(entry.action, entry.resource, entry.outcome) for entry in log.audit_entries]
    assert told == [
        ("run.cancel", run.name, "FAILED_PRECONDITION"),
        ("run.cancel", run.name, "OK"),
        ("run.create", NIGHTLY, "OK"),
    ]
    transitions = await small.call(small.owner, "RunService/ListRunTransitions", parent=run.name)
    last = transitions.transitions[-1]
    assert last.evidence.kind == state_pb2.STOP_KIND_NEVER_STARTED


async def test_a_queued_run_is_explained(place: Place) -> None:
    await deploy(place)
    run = (await create(place)).run
    found = await place.call(place.owner, "RunService/ExplainRun", name=run.name)
    assert found.state == state_pb2.RUN_STATE_SCHEDULED
    [reason] = found.explanations
    assert reason.kind == run_service_pb2.EXPLANATION_KIND_NO_WORKER
    assert reason.command == "towpath worker start --pool local"
    assert list(reason.resources) == [f"{PARENT}/workPools/local"]
    second = (await create(place)).run
    found = await place.call(place.owner, "RunService/ExplainRun", name=second.name)
    assert [(item.kind, item.position) for item in found.explanations][1:] == [
        (run_service_pb2.EXPLANATION_KIND_QUEUE_POSITION, 1)
    ]
    refused = await place.refusal(
        place.owner, "RunService/ExplainRun", name=f"{PARENT}/runs/{uuid4()}"
    )
    assert refused.reason == "RESOURCE_NOT_FOUND"
