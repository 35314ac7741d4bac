"""What users write; type checkers must know what it gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from typing import Any, assert_type
from uuid import UUID

from towpath import Flow, Secret, State, Task, flow, get_run_logger, tags, task, unmapped
from towpath.artifacts import (
    aupdate_progress_artifact,
    create_progress_artifact,
    create_table_artifact,
)
from towpath.cache_policies import INPUTS, TASK_SOURCE, CachePolicy, Inputs
from towpath.client import Client, Role, Run, SecretInfo, VariableInfo, Workspaces
from towpath.context import FlowRunContext, RunContext, TaskRunContext
from towpath.futures import Future, FutureList, as_completed, wait
from towpath.locking.memory import MemoryLockManager
from towpath.results import ResultRecord, ResultStore, get_result_store
from towpath.serializers import CompressedSerializer, JSONSerializer, Serializer
from towpath.states import Completed, Failed
from towpath.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from towpath.transactions import (
    AsyncTransaction,
    CommitMode,
    IsolationLevel,
    Transaction,
    atransaction,
    get_transaction,
    transaction,
)
from towpath.variables import Variable


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task(retries=3, retry_delay_seconds=[1, 2, 4], timeout_seconds=10, tags=["io"])
async def fetch(url: str) -> bytes:
    return url.encode()


@task(cache_policy=INPUTS + TASK_SOURCE - "b", cache_expiration=timedelta(hours=1))
def pages(most: int) -> Generator[str, None, None]:
    yield from map(str, range(most))


class Text(Serializer):
    type: str = "text"
    encoding: str = "utf-8"

    def dumps(self, obj: Any) -> bytes:
        return str(obj).encode(self.encoding)

    def loads(self, blob: bytes) -> str:
        return blob.decode(self.encoding)


@task(result_serializer=Text(encoding="utf-16"))
def text() -> str:
    return ""


@flow(result_serializer=CompressedSerializer(serializer=JSONSerializer(), compressionlib="bz2"))
def texts() -> str:
    return text()


@task
async def events() -> AsyncGenerator[float, None]:
    yield 1.0


class Source:
    @task
    def read(self, count: int) -> list[str]:
        return [""] * count


@flow(task_runner=ProcessPoolTaskRunner(max_workers=2), log_prints=True)
def pipeline(count: int) -> str:
    assert_type(add(1), int)
    assert_type(add.submit(1), Future[int])
    assert_type(add.submit(1).result(), int)
    assert_type(add.map([1, 2], b=unmapped(3)), FutureList[int])
    assert_type(add.map([1, 2]).result(), list[int])
    assert_type(add(1, return_state=True), State[int])
    assert_type(add.submit(1, return_state=True), State[int])
    assert_type(add(1, wait_for=[add.submit(1)]), int)
    assert_type(fetch.submit("u"), Future[bytes])
    assert_type(fetch.map(["u"]).result(), list[bytes])
    assert_type(pages(3), Generator[str, None, None])
    assert_type(pages.submit(3).result(), list[str])
    assert_type(events.submit().result(), list[float])
    assert_type(Source().read(2), list[str])
    assert_type(Source().read.submit(2), Future[list[str]])
    assert_type(add.fn(1, 2), int)
    assert_type(add.with_options(retries=1)(1), int)
    futures = [add.submit(number) for number in range(count)]
    done, not_done = wait(futures)
    assert_type(done, set[Future[int]])
    assert_type(not_done, set[Future[int]])
    futures[0].add_done_callback(lambda future: assert_type(future, Future[int]))
    for future in as_completed(futures):
        assert_type(future, Future[int])
    with tags("nightly"):
        get_run_logger().info("counted")
    return "done"


class Weekly(CachePolicy):
    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, object],
        flow_parameters: dict[str, object],
        **kwargs: object,
    ) -> str | None:
        return f"{task_ctx.task.name}:{inputs['week']}"


@task(cache_policy=Weekly() + Inputs(exclude=["b"]), timeout_seconds=timedelta(minutes=1))
def weekly(week: int) -> int:
    return week


@flow(retries=2, retry_delay_seconds=timedelta(seconds=5), flow_run_name=lambda: "run")
def checked(count: int) -> State[int]:
    states = weekly.map([1, 2], return_state=True)
    assert_type(states, list[State[int]])
    assert_type(weekly.retries, int)
    assert_type(weekly.timeout_seconds, float | None)
    assert_type(FlowRunContext.get(), RunContext | None)
    assert_type(TaskRunContext.get(), RunContext | None)
    with ThreadPoolTaskRunner(max_workers=2) as runner:
        runner.submit(weekly, {"week": 1}, wait_for=[states]).wait()
    weekly.submit(1, wait_for=weekly.submit(2))
    weekly.tags.add("slow")
    if any(state.is_failed() for state in states):
        return Failed(message="weeks are missing")
    return Completed(data=count, name="All there")


@flow
async def modern(url: str) -> int:
    assert_type(await fetch(url), bytes)
    state = await fetch(url, return_state=True)
    await state.result()
    return len(await fetch(url))


@pipeline.on_failure
def alert(flow_: object, run: object, state: State[str]) -> None: ...


assert_type(pipeline.visualize(3), str)
assert_type(pipeline(3), str)
assert_type(pipeline(3, return_state=True), State[str])
as_task: Task[[int], str] = task(lambda number: str(number))
as_flow: Flow[[int], str] = pipeline


async def secrets() -> None:
    assert_type(Secret.load("name").get(), str)
    assert_type((await Secret.aload("name")).get_bytes(), bytes)


async def variables() -> None:
    mark: int = Variable.get("mark", default=0)
    Variable.set("mark", mark + 1, tags=["etl"], overwrite=True)
    assert_type(await Variable.aset("mark", [1]), Variable)
    assert_type(await Variable.aunset("mark"), bool)
    await Variable.get("mark")


async def artifacts() -> None:
    progress: UUID = create_progress_artifact(0)
    assert_type(await aupdate_progress_artifact(progress, 50), UUID)
    await create_table_artifact([{"a": 1}], key="rows")
    create_table_artifact({"a": [1, 2]})
    create_table_artifact([[1], ("a",)])


def administer(client: Client) -> None:
    assert_type(client.workspaces, Workspaces)
    assert_type(client.keys.create("ci", life=timedelta(days=30)).key, str)
    assert_type(list(client.roles.list()), list[Role])
    assert_type(client.secrets.set("db-password", b"hush"), SecretInfo)
    assert_type(client.variables.set("mark", 1), VariableInfo)
    assert_type(client.tenants.get("acme").limits.stored_bytes, int)
    assert_type(next(client.runs()), Run)
    assert_type(client.whoami().tenant_permissions, tuple[str, ...])


loaded = flow.from_source("https://git.example.org/t/p.git", entrypoint="etl.py:etl")
assert_type(loaded, Flow[..., Any])
assert_type(pipeline.from_source("flows", "etl.py:etl")(3), str)


@task(
    cache_policy=Inputs(isolation_level="SERIALIZABLE", lock_manager=MemoryLockManager()),
    cache_result_in_memory=False,
)
def upload(name: str) -> str:
    within = get_transaction()
    if within is not None:
        within.set("name", name)
    return name


@upload.on_rollback
def remove(txn: Transaction) -> None:
    assert_type(txn.get("name"), Any)


@flow
async def as_a_whole() -> None:
    with transaction(key="report", commit_mode=CommitMode.LAZY) as txn:
        assert_type(txn, Transaction)
        assert_type(upload("report"), str)
        assert_type(txn.rollback(), bool)
    async with atransaction(isolation_level=IsolationLevel.SERIALIZABLE) as later:
        assert_type(later, AsyncTransaction)
        assert_type(await later.commit(), bool)
    store = get_result_store()
    assert_type(store, ResultStore)
    assert_type(store.read("report"), ResultRecord[Any])
    await store.awrite({"rows": 3}, key="report")
    policy: Inputs = INPUTS.configure(isolation_level="SERIALIZABLE")
    assert_type(policy - "name", CachePolicy)
