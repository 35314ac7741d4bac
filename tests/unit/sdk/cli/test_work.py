"""`towpath pool`, `queue`, `worker`, `deployment` and `schedule`, against a service."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from google.protobuf import json_format
from towpath.api.v1 import work_pb2 as pb
from towpath.api.v1 import work_service_pb2
from towpath.cli.work import deployments, pools, queues, schedules, workers
from towpath.client import DeploymentSpec
from towpath.exceptions import Conflict, InvalidRequest, NotFound
from towpath.schedules import Cron, Interval

from tests.unit.sdk.cli.answering import answered
from tests.unit.sdk.client.identified import Callers, open_callers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from google.protobuf.message import Message
    from towpath.client import Client

GROUPS: dict[str, Any] = {
    "pool": pools,
    "queue": queues,
    "worker": workers,
    "deployment": deployments,
    "schedule": schedules,
}


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with open_callers(tmp_path_factory.mktemp("commands") / "towpath.db") as opened:
        yield opened


@pytest.fixture
def client(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The client that the commands call with: of a workspace with a pool and a deployment."""
    client = callers.owner
    for deployment in list(client.deployments.list()):
        client.deployments.delete(deployment.name)
    for pool in list(client.pools.list()):
        client.pools.delete(pool.id)
    client.pools.create("local", concurrency_limit=3)
    spec = DeploymentSpec(entrypoint="etl.py:etl", flow_name="ETL", pool="local")
    rules = {"daily": Cron("0 2 * * *", timezone="Europe/London"), "often": Interval(90)}
    client.deployments.deploy("etl/nightly", spec, rules)

    @contextmanager
    def service_client() -> Generator[Client]:
        yield client

    for module in GROUPS.values():
        monkeypatch.setattr(module, "service_client", service_client)
    return client


def run(*words: str) -> Any:
    """Runs a command, and returns how it ended; errors are raised."""
    noun, *rest = words
    ended = CliRunner().invoke(GROUPS[noun].group, rest, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended


def usage(*words: str) -> str:
    """The message about a wrong usage."""
    noun, *rest = words
    ended = CliRunner().invoke(GROUPS[noun].group, rest)
    assert ended.exit_code == 2, ended.output
    return ended.output


def first_row(*words: str) -> list[str]:
    """The cells of the first row of a table."""
    row: list[str] = run(*words).stdout.splitlines()[1].split("  ")
    return [cell.strip() for cell in row if cell]


def test_a_pool_is_created_changed_and_deleted(client: Client) -> None:
    words = ("create", "batch", "--limit", "4", "--lease", "20s", "--job-template", '{"env": {}}')
    assert "towpath worker start --pool batch" in run("pool", *words).stderr
    created = client.pools.get("batch")
    assert (created.concurrency_limit, created.job_template) == (4, {"env": {}})
    assert created.lease_duration.total_seconds() == 20
    run("pool", "update", "batch", "--limit", "0", "--description", "large")
    run("pool", "pause", "batch")
    assert first_row("pool", "ls") == ["batch", "process", "paused", "0", "0", "0", "-", "large"]
    run("pool", "resume", "batch")
    shown = dict(
        line.split(maxsplit=1) for line in run("pool", "inspect", "batch").stdout.splitlines()
    )
    assert (shown["kind"], shown["lease"], shown["grace"]) == ("process", "20s", "30s")
    run("pool", "delete", "batch", "--yes")
    with pytest.raises(NotFound):
        run("pool", "inspect", "batch")
    with pytest.raises(Conflict):
        run("pool", "delete", "local", "--yes")


def test_a_queue_is_created_changed_and_deleted(client: Client) -> None:
    run("queue", "create", "local/urgent", "--rank", "1", "--limit", "2")
    run("queue", "update", "local/urgent", "--rank", "7")
    run("queue", "pause", "local/urgent")
    assert run("queue", "ls", "-o", "name").stdout.split() == ["local/default", "local/urgent"]
    found = client.queues.get("local", "urgent")
    assert (found.rank, found.paused, found.concurrency_limit) == (7, True, 2)
    run("queue", "resume", "local/urgent")
    assert "rank" in run("queue", "inspect", "local/urgent").stdout
    run("queue", "delete", "local/urgent", "--yes")
    assert run("queue", "ls", "local", "-o", "name").stdout.split() == ["local/default"]


def test_a_deployment_is_listed_shown_paused_and_deleted(client: Client) -> None:
    row = first_row("deployment", "ls", "--pool", "local")
    assert row[:3] == ["etl/nightly", "local", "active"]
    run("deployment", "pause", "etl/nightly")
    shown = run("deployment", "inspect", "etl/nightly").stdout
    assert "paused" in shown
    assert "daily: 0 2 * * * (Europe/London)" in shown
    assert "often: every 90s" in shown
    assert "next run" in run("deployment", "resume", "etl/nightly").stderr
    printed = json.loads(run("deployment", "inspect", "etl/nightly", "-o", "json").stdout)
    assert (printed["id"], printed["paused"], printed["revision"]) == ("etl/nightly", False, 3)
    assert [item["paused"] for item in printed["schedules"]] == [False, False]
    run("deployment", "delete", "etl/nightly", "--yes")
    assert list(client.deployments.list()) == []


def test_a_schedule_is_listed_paused_and_deleted(client: Client) -> None:
    row = first_row("schedule", "ls", "etl/nightly")
    assert row[:3] == ["etl/nightly/daily", "0 2 * * * (Europe/London)", "active"]
    run("schedule", "pause", "etl/nightly/daily")
    assert client.schedules.get("etl/nightly", "daily").paused
    assert "next run" in run("schedule", "resume", "etl/nightly/daily").stderr
    assert run("schedule", "history", "etl/nightly/daily", "-o", "json").stdout.strip() == "[]"
    run("schedule", "delete", "etl/nightly/daily", "--yes")
    assert run("schedule", "ls", "-o", "name").stdout.split() == ["etl/nightly/often"]


@pytest.mark.usefixtures("client")
def test_a_preview_shows_local_times_and_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time  # noqa: PLC0415 - only here

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        rows = run("schedule", "preview", "--cron", "30 4 * * *", "--next", "3").stdout.splitlines()
        assert len(rows) == 4
        # Half past four in UTC is ten o'clock in India.
        assert all("10:00:00" in row and "04:30:00" in row for row in rows[1:])
        printed = json.loads(run("schedule", "preview", "etl/nightly/often", "-o", "json").stdout)
        assert len(printed) == 5
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.usefixtures("client")
def test_wrong_usage_is_told() -> None:
    assert "local/urgent" in usage("queue", "inspect", "urgent")
    assert "local/w-1" in usage("worker", "drain", "w-1")
    assert "etl/nightly" in usage("deployment", "inspect", "nightly")
    assert "etl/nightly/daily" in usage("schedule", "pause", "etl/nightly")
    assert "--limit 4" in usage("pool", "update", "local")
    assert "--rank 1" in usage("queue", "update", "local/default")
    assert "one of --cron" in usage("schedule", "preview")
    assert "one of --cron" in usage("schedule", "preview", "--cron", "@daily", "--rrule", "x")
    assert "no duration" in usage("pool", "update", "local", "--lease", "long")
    assert "JSON object" in usage("pool", "create", "x", "--job-template", "[]")
    with pytest.raises(InvalidRequest):
        run("schedule", "preview", "--cron", "60 * * * *")


def pool() -> pb.WorkPool:
    made = pb.WorkPool(
        name="workspaces/default/workPools/local",
        kind="process",
        description="d",
        job_template_json='{"a": 1}',
        paused=True,
        concurrency_limit=3,
        queued_count=5,
        leased_count=2,
        online_worker_count=1,
        etag="e",
    )
    made.lease_duration.FromMilliseconds(1_500)
    made.start_timeout.FromSeconds(120)
    made.cancel_grace_period.FromSeconds(0)
    made.create_time.seconds = made.update_time.seconds = 1_795_000_000
    return made


def queue() -> pb.WorkQueue:
    made = pb.WorkQueue(
        name="workspaces/default/workPools/local/queues/urgent", rank=1, queued_count=4, etag="e"
    )
    made.create_time.seconds = made.update_time.seconds = 1_795_000_000
    return made


def worker() -> pb.Worker:
    made = pb.Worker(
        name="workspaces/default/workPools/local/workers/w-1",
        instance_id="7",
        state=pb.WORKER_STATE_DRAINING,
        slots=4,
        leased_count=2,
        queues=["default"],
        labels={"zone": "a"},
        version="towpath-python 1.0",
        host="w-1.example",
        principal="serviceAccounts/workers",
    )
    made.create_time.seconds = made.seen_time.seconds = 1_795_000_000
    made.clock_offset.seconds = -45
    return made


def contract(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


@pytest.mark.parametrize(
    ("noun", "item", "answer"),
    [
        ("pool", pool(), work_service_pb2.ListWorkPoolsResponse(work_pools=[pool()])),
        ("queue", queue(), work_service_pb2.ListWorkQueuesResponse(work_queues=[queue()])),
        ("worker", worker(), work_service_pb2.ListWorkersResponse(workers=[worker()])),
    ],
)
def test_a_list_is_printed_as_the_contract_has_it(
    monkeypatch: pytest.MonkeyPatch, noun: str, item: Message, answer: Message
) -> None:
    def answer_all(_method: str, _request: Any) -> Message:
        return answer

    answered(monkeypatch, GROUPS[noun], answer_all)
    words = ["ls", "-o", "json"] if noun == "pool" else ["ls", "local", "-o", "json"]
    ended = CliRunner().invoke(GROUPS[noun].group, words, catch_exceptions=False)
    shown = json.loads(ended.stdout)
    assert shown == [contract(item)]
    assert list(shown[0]) == list(contract(item))


def test_a_worker_is_drained_paused_resumed_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def answer(method: str, request: Any) -> Any:
        asked.append((method, request.name))
        kind: Any = getattr(work_service_pb2, f"{method.rpartition('/')[2]}Response")
        return kind() if "Delete" in method else kind(worker=worker())

    answered(monkeypatch, workers, answer)
    assert "it has 2" in run("worker", "drain", "local/w-1").stderr
    assert "it has 2" in run("worker", "pause", "local/w-1").stderr
    run("worker", "resume", "local/w-1")
    run("worker", "rm", "local/w-1", "--yes")
    assert asked == [
        ("DrainWorker", "workspaces/default/workPools/local/workers/w-1"),
        ("PauseWorker", "workspaces/default/workPools/local/workers/w-1"),
        ("ResumeWorker", "workspaces/default/workPools/local/workers/w-1"),
        ("DeleteWorker", "workspaces/default/workPools/local/workers/w-1"),
    ]
