"""What identity costs: `poe bench identity`.

Method: verification in this process, a thousand times each. Then server processes of their own, one
with identity and one without, asked in turns over gRPC: small unary calls, one of each side after
the other, and batches over streams as `poe bench ingest` sends them; exchanges by four threads.
Row-level security: pages of 50 of 20,000 runs read from PostgreSQL as its tables' owner, in turns
with and without policies and the setting that each transaction makes. Medians; ratios of one run.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
from sqlalchemy import text
from towpath.api.v1 import auth_service_pb2, flow_service_pb2, tenant_service_pb2
from towpath_service.app.stores import stores_on
from towpath_service.app.wiring import open_service
from towpath_service.core.names import Scope
from towpath_service.database.port import SqlTransaction
from towpath_service.database.postgres.database import PostgresDatabase
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.database.tables import metadata
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.runs.ports.reads import RunQuery
from towpath_service.runs.storage.reads import SqlReads

from tests.benchmarks.command import Benchmark
from tests.benchmarks.ingest import database_options
from tests.benchmarks.producer import Load, build_all, send
from tests.benchmarks.signed_in import API, bearer, channel_of, exchange, init_auth
from tests.in_process.place import open_place
from tests.postgres import postgres_for_tests
from tests.postgres.fixtures import upgrade
from tests.postgres.roles import owned_by_no_superuser
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from sqlalchemy import Connection
    from towpath_service.database.postgres_url import PostgresUrl

TENANT = "00000000-0000-7000-8000-000000000001"
RUNS = 20_000
CALLS = 400


def _run(options: argparse.Namespace) -> None:
    asyncio.run(_verification())
    with tempfile.TemporaryDirectory() as folder:
        _servers(Path(folder), options)
    with postgres_for_tests() as server:
        asyncio.run(upgrade(server.dsn()))
        with owned_by_no_superuser(server.dsn()) as dsn:
            asyncio.run(_row_security(parse_postgres_url(dsn), options.rounds))


async def _verification() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_place(Path(folder) / "towpath.db") as place:
            authority: Any = place.authority
            seen = await _each(1000, lambda: authority.caller(place.owner, "192.0.2.1"))
            now = time.time()
            began = time.perf_counter()
            for _ in range(1000):
                authority._verifier.verify(place.owner, now)
            cold = (time.perf_counter() - began) * 1000
            print(f"a token verified: {cold:.0f} us; one seen before: {seen:.1f} us")


async def _each(count: int, work: Callable[[], Any]) -> float:
    """Microseconds of one."""
    began = time.perf_counter()
    for _ in range(count):
        await work()
    return (time.perf_counter() - began) / count * 1e6


def _servers(folder: Path, options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        plain, asking = (
            Server(
                home=folder / name,
                options=stack.enter_context(database_options(options.database)),
            )
            for name in ("plain", "asking")
        )
        key = init_auth(asking, asking.options)
        for server in (plain, asking):
            server.start()
            stack.callback(server.stop)
        token = exchange(asking, key)
        _set_free(asking, token)
        sides = ((plain, ""), (asking, token))
        _calls(sides, options.rounds)
        _exchanges(asking, key)
        _ingest(sides, options)


def _calls(sides: tuple[tuple[Server, str], ...], rounds: int) -> None:
    """Asks one side and the other, call by call, so that both meet the same machine."""
    took: list[list[float]] = [[], []]
    body = flow_service_pb2.ListFlowsRequest(parent="workspaces/default").SerializeToString()
    with ExitStack() as channels:
        asking: list[Callable[[], Any]] = []
        for server, token in sides:
            channel = channels.enter_context(channel_of(server.address))
            call: Any = channel.unary_unary(f"{API}.FlowService/ListFlows")
            asking.append(partial(call, body, metadata=bearer(token)))
        for number in range(rounds * CALLS):
            for index, ask in enumerate(asking):
                began = time.perf_counter()
                ask()
                if number >= CALLS // 2:
                    took[index].append(time.perf_counter() - began)
    without, with_ = (median(times) * 1e6 for times in took)
    print(
        f"a unary call: {without:.0f} us without identity, {with_:.0f} with:"
        f" {with_ - without:+.0f} us"
    )


def _exchanges(server: Server, key: str) -> None:
    def some(count: int) -> None:
        with channel_of(server.address) as channel:
            call: Any = channel.unary_unary(f"{API}.AuthService/ExchangeToken")
            body = auth_service_pb2.ExchangeTokenRequest(api_key=key).SerializeToString()
            for _ in range(count):
                call(body)

    some(20)
    began = time.perf_counter()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(some, [250] * 4))
    print(f"exchanges: {1000 / (time.perf_counter() - began):.0f}/s")


def _ingest(sides: tuple[tuple[Server, str], ...], options: argparse.Namespace) -> None:
    rates: list[list[float]] = [[], []]
    for number in range(options.rounds):
        order = list(enumerate(sides))
        for index, (server, token) in order if number % 2 else reversed(order):
            loads = build_all(2, options.updates // 2, 1000, "together")
            began = time.perf_counter()
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(lambda load, s=server, t=token: _send(s, t, load), loads))
            rates[index].append(options.updates / (time.perf_counter() - began))
    without, with_ = map(median, rates)
    print(
        f"ingest: {without:.0f} updates/s without identity, {with_:.0f} with:"
        f" ratio {with_ / without:.2f}"
    )


def _send(server: Server, token: str, load: Load) -> None:
    with channel_of(server.address, token) as channel:
        send(load, channel)


async def _row_security(url: PostgresUrl, rounds: int) -> None:
    async with open_service(url) as service:
        del service
    await at_database(url, _fill)
    database = PostgresDatabase(url)
    await database.open()
    store = stores_on(database).runs
    scope = Scope(TENANT, "default")

    def page(reads: Any) -> int:
        return len(reads.runs(RunQuery(scope=scope, limit=50)))

    async def walled() -> None:
        assert await store.read(TENANT, page) == 50

    async def bare() -> None:
        pool: Any = database._readers

        async def work() -> int:
            async with pool.engine.begin() as connection:
                found: int = await connection.run_sync(
                    lambda sync: page(SqlReads(SqlTransaction(sync, {TENANT}), TENANT))
                )
                return found

        running = asyncio.run_coroutine_threadsafe(work(), pool._loop)
        assert await asyncio.wrap_future(running) == 50

    took: list[list[float]] = [[], []]
    try:
        for _ in range(rounds):
            await at_database(url, lambda connection: _switch(connection, "DISABLE"))
            await _each(20, bare)
            took[0].append(await _each(200, bare))
            await at_database(url, lambda connection: _switch(connection, "ENABLE"))
            await _each(20, walled)
            took[1].append(await _each(200, walled))
    finally:
        database.close()
    without, with_ = map(median, took)
    print(
        f"a page of 50 runs: {without / 1000:.2f} ms without row-level security,"
        f" {with_ / 1000:.2f} with: ratio {with_ / without:.2f}"
    )


def _switch(connection: Connection, how: str) -> None:
    for table in metadata.tables:
        if table not in {"schema_info", "server_key"}:
            connection.execute(text(f"ALTER TABLE {table} {how} ROW LEVEL SECURITY"))


def _fill(connection: Connection) -> None:
    for tenant_id in (TENANT, str(uuid4())):
        connection.execute(
            text(
                "INSERT INTO run (tenant_id, run_id, workspace_id, short_id, kind, display_name,"
                " flow_id, flow_name, task_key, task_name, task_index, root_run_id, state, reason,"
                " message, state_us, revision, attempt, inferred, fence, running_us, labels,"
                " tags, code_version, cache_key, traceparent, tracestate, occurred_us, created_us,"
                " updated_us, observed_late, position) SELECT :tenant, id, 'default', 'abcdefgh',"
                " 1, 'nightly', 'nightly', 'nightly', '', '', 0, id, 7, '', '', n, 2, 1, false, 0,"
                " 5, '{}', '[]', '', '', '', '', n, n, n, false, n FROM"
                " (SELECT gen_random_uuid() AS id, n FROM generate_series(1, :runs) AS n) AS made"
            ),
            {"tenant": tenant_id, "runs": RUNS},
        )
    connection.execute(text("ANALYZE run"))


def _set_free(server: Server, token: str) -> None:
    """Takes the limits away: they aren't what is measured."""
    most = 2_000_000_000
    request = tenant_service_pb2.SetTenantQuotasRequest(
        name="tenants/main",
        quotas=tenant_service_pb2.TenantQuotas(
            updates_per_second=most, calls_per_second=most, open_streams=1000
        ),
    )
    with grpc.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary(f"{API}.TenantService/SetTenantQuotas")
        call(request.SerializeToString(), metadata=bearer(token))


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="of each side")
    parser.add_argument("--updates", type=int, default=40_000, help="in a round of ingest")
    parser.add_argument(
        "--database", choices=["sqlite", "postgres"], default="sqlite", help="of the servers"
    )


BENCHMARK = Benchmark(
    summary="what identity costs: tokens, calls, exchanges, ingest, row-level security",
    method=(
        "servers with and without identity are asked in turns; pages are read from PostgreSQL with"
        " and without row-level security in turns."
    ),
    add_options=_add_options,
    run=_run,
)
