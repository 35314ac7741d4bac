"""Reads on many runs: `poe bench reads --runs 1000000`.

Method: PostgreSQL is filled by one statement a table, with flow runs of `--tasks` task runs each
over 90 days, 3 of 100 failed, 1 of 20 tagged, then analyzed. A server process answers over gRPC,
one call after the other, each kind of question asked `--calls` times after one that isn't counted,
about other places each time where there are other places. All share the machine's cores.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from towpath.api.v1 import flow_service_pb2, run_service_pb2
from towpath_service.core.tokens import make_token

from tests.benchmarks.command import Benchmark
from tests.postgres import postgres_for_tests
from tests.postgres.fixtures import upgrade
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import grpc

TENANT = "00000000-0000-7000-8000-000000000001"
DAYS = 90
PAGE = 50
SETTINGS = {
    "shared_buffers": "512MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}

_OTHERS = """
INSERT INTO run_tag SELECT tenant_id, workspace_id, 'nightly', run_id FROM run WHERE tags <> '[]';
INSERT INTO run_count SELECT tenant_id, workspace_id, flow_id, kind, state, count(*) FROM run
  GROUP BY 1, 2, 3, 4, 5;
INSERT INTO flow SELECT tenant_id, workspace_id, flow_id, flow_id, min(created_us) FROM run
  GROUP BY 1, 2, 3;
INSERT INTO workspace SELECT tenant_id, workspace_id, max(position), 0, 0 FROM run GROUP BY 1, 2;
"""


def _filling(tasks: int) -> str:
    return f"""
INSERT INTO run SELECT
  '{TENANT}', md5('run' || n)::uuid, 'default', right(md5('run' || n), 8),
  CASE WHEN n % {tasks} = 0 THEN 1 ELSE 2 END,
  CASE WHEN n % {tasks} = 0 THEN 'etl' ELSE 'task-' || n % {tasks} END,
  'flow-' || (n / {tasks}) % 50, 'flow-' || (n / {tasks}) % 50,
  CASE WHEN n % {tasks} = 0 THEN '' ELSE 'load' END,
  CASE WHEN n % {tasks} = 0 THEN '' ELSE 'load' END,
  n % {tasks},
  CASE WHEN n % {tasks} = 0 THEN NULL ELSE md5('run' || n - n % {tasks})::uuid END,
  md5('run' || n - n % {tasks})::uuid,
  CASE WHEN n % 100 < 3 THEN 8 ELSE 7 END,
  '', '', began + 1000000, 3, 1, false, 0, NULL, NULL, began, began + 1000000,
  (hashint8(n) & 1048575), '{{}}',
  CASE WHEN n % 20 = 0 THEN '["nightly"]' ELSE '[]' END, NULL,
  '', '', NULL, '', '', md5('producer' || n / {tasks})::uuid, began, began, began + 1000000,
  false, n + 1
FROM (SELECT n, $2::bigint + n * ({DAYS}::bigint * 86400000000 / $1::bigint) AS began
      FROM generate_series(0, $1::bigint - 1) AS n) AS numbered
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call, made anew each time."""

    service: str
    method: str
    answer: Any
    make: Callable[[], Any]


def _run(options: argparse.Namespace) -> None:
    """Fills a database and asks."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_for_tests(SETTINGS) as postgres,
    ):
        began = time.perf_counter()
        first_us = asyncio.run(_fill(postgres.dsn(), options.runs, options.tasks))
        print(f"{options.runs} runs made in {time.perf_counter() - began:.0f} s")
        server = Server(home=Path(folder), options=("--database", postgres.dsn()))
        server.start()
        try:
            with server.channel() as channel:
                for name, question in _questions(options.runs, options.tasks, first_us).items():
                    _print(name, _ask(channel, question, options.calls))
        finally:
            server.stop()


def _questions(runs: int, tasks: int, first_us: int) -> Mapping[str, Question]:
    chance = random.Random(1)
    step = DAYS * 86_400_000_000 // runs

    def page(filter_: str = "", token: str = "") -> Any:
        return run_service_pb2.ListRunsRequest(
            parent="workspaces/default", page_size=PAGE, filter=filter_, page_token=token
        )

    def deep(filter_: str = "") -> Any:
        number = chance.randrange(runs // 10, runs * 9 // 10)
        question = ("ListRuns", TENANT, "default", filter_, "")
        place = (first_us + number * step, "00000000-0000-0000-0000-000000000000")
        return page(filter_, make_token(question, place))

    def graph() -> Any:
        number = chance.randrange(runs // tasks) * tasks
        return run_service_pb2.GetRunGraphRequest(
            name=f"workspaces/default/runs/{_run_id(number)}", max_nodes=tasks
        )

    def totals() -> Any:
        request = run_service_pb2.AggregateRunsRequest(parent="workspaces/default")
        request.time_range.start_time.FromSeconds(0)
        return request

    def some_flow() -> str:
        return f"flow = flow-{chance.randrange(50)}"

    runs_of = {"service": "RunService", "method": "ListRuns"}
    listed = {**runs_of, "answer": run_service_pb2.ListRunsResponse}
    return {
        "first page": Question(**listed, make=page),
        "deep page": Question(**listed, make=deep),
        "failed runs": Question(**listed, make=lambda: page("state = FAILED")),
        "failed runs, deep": Question(**listed, make=lambda: deep("state = FAILED")),
        "runs of a flow": Question(**listed, make=lambda: page(some_flow())),
        "flow runs": Question(**listed, make=lambda: page("kind = FLOW")),
        "tagged runs": Question(**listed, make=lambda: page("tags : nightly")),
        "failed runs of a flow": Question(
            **listed, make=lambda: page(f"state = FAILED AND {some_flow()}")
        ),
        "runs by state": Question(
            service="RunService",
            method="AggregateRuns",
            answer=run_service_pb2.AggregateRunsResponse,
            make=totals,
        ),
        "flows with counts": Question(
            service="FlowService",
            method="ListFlows",
            answer=flow_service_pb2.ListFlowsResponse,
            make=lambda: flow_service_pb2.ListFlowsRequest(parent="workspaces/default"),
        ),
        f"graph of {tasks}": Question(
            service="RunService",
            method="GetRunGraph",
            answer=run_service_pb2.GetRunGraphResponse,
            make=graph,
        ),
    }


def _run_id(number: int) -> str:
    return str(uuid.UUID(hashlib.md5(f"run{number}".encode()).hexdigest()))


def _ask(channel: grpc.Channel, question: Question, calls: int) -> list[float]:
    call = channel.unary_unary(
        f"/towpath.api.v1.{question.service}/{question.method}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=question.answer.FromString,
    )
    call(question.make())
    took: list[float] = []
    for _ in range(calls):
        request = question.make()
        began = time.perf_counter()
        call(request)
        took.append((time.perf_counter() - began) * 1e3)
    return took


def _print(name: str, took: list[float]) -> None:
    cuts = statistics.quantiles(took, n=20)
    print(f"{name:22} p50 {statistics.median(took):6.1f} ms, p95 {cuts[-1]:6.1f} ms")


async def _fill(dsn: str, runs: int, tasks: int) -> int:
    await upgrade(dsn)
    first_us = time.time_ns() // 1000 - DAYS * 86_400_000_000
    connection = await asyncpg.connect(dsn)
    try:
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'run'"
            " AND indexname NOT LIKE 'pk_%'"
        )
        for index in indexes:
            await connection.execute(f'DROP INDEX "{index["indexname"]}"')
        await connection.execute(_filling(tasks), runs, first_us)
        for index in indexes:
            await connection.execute(index["indexdef"])
        await connection.execute(_OTHERS)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return first_us


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, default=1_000, help="task runs of a flow run")
    parser.add_argument("--calls", type=int, default=60, help="of each kind of question")


BENCHMARK = Benchmark(
    summary="reads on many runs: pages, counts, graphs",
    method=(
        "PostgreSQL is filled by statements, a server process answers over gRPC one call after the"
        " other, about other places each time."
    ),
    add_options=_add_options,
    run=_run,
)
