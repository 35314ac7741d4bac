"""Behind the real PgBouncer, in transaction mode, whose few connections everybody shares."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath_service.cli.server import server
from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres.database import PostgresDatabase
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.runs.application import watch

from tests.in_process.replicas import (
    CREATE,
    DONE,
    ask,
    check,
    new_id,
    new_producer,
    replica,
    replicas,
    see_a_commit,
)
from tests.postgres.bouncer import CONNECTIONS, Through, through
from tests.postgres.roles import owned_by_no_superuser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.in_process.replicas import Replica


ROLES = ["superuser", "held"]


@pytest.fixture(params=ROLES)
def bouncer(request: pytest.FixtureRequest, postgres_dsn: str) -> Iterator[Through]:
    """A way to a database, as a role that passes row-level security by, and as one that is held."""
    dsn = request.getfixturevalue("held_dsn") if request.param == "held" else postgres_dsn
    with through(dsn) as way:
        yield way


class Progress:
    """How many batches have been taken."""

    def __init__(self) -> None:
        self.taken = 0
        self._more = asyncio.Event()

    def take(self) -> None:
        """Counts a batch."""
        self.taken += 1
        self._more.set()

    async def more(self, batches: int, producing: Sequence[asyncio.Task[Any]]) -> None:
        """Waits until so many more were taken, or all producers have ended."""
        wanted = self.taken + batches
        ended = asyncio.gather(*producing)
        while self.taken < wanted and not ended.done():
            self._more.clear()
            more = asyncio.create_task(self._more.wait())
            await asyncio.wait({more, ended}, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()


async def produce(
    all_: list[Replica],
    batches: int,
    *,
    patient: bool = False,
    taking: Callable[[], object] = lambda: None,
) -> list[str]:
    """Sends batches of a producer to one replica after the other; if patient, until it is taken."""
    producer = new_producer()
    runs = [new_id() for _ in range(batches)]
    for number, run in enumerate(runs):
        updates: list[tuple[str, Any]] = [(run, CREATE), (run, DONE)]
        taken = 0
        while not taken:
            try:
                target = all_[(number + taken) % len(all_)]
                taken = (await target.send(producer, 2 * number + 1, updates)).committed_sequence
            except ServiceError as error:
                if not patient or error.reason != "OVERLOADED":
                    raise
        taking()
    return runs


async def test_more_replicas_than_connections_lose_and_double_nothing(
    bouncer: Through, postgres_dsn: str
) -> None:
    url = bouncer.url()
    async with replicas(url, CONNECTIONS + 1) as all_, asyncio.timeout(180):
        sent = await asyncio.gather(*(produce(all_, 15) for _ in range(6)))
        for run in (runs[-1] for runs in sent):
            assert await all_[0].history(run) == ["RUNNING", "COMPLETED"]
        found = await ask(postgres_dsn, "SELECT count(*) FROM run WHERE state = 7")
        assert found == [(90,)]
    await check(postgres_dsn)


async def test_a_statement_works_whichever_connection_it_gets(
    bouncer: Through, postgres_dsn: str
) -> None:
    def work(connection: Any) -> int:
        connection.exec_driver_sql("SELECT pg_sleep(0.002)")
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    async with replicas(bouncer.url(), 3) as all_:
        pools = [pool for one in all_ for pool in (one.database._writers, one.database._readers)]
        for _ in range(10):
            used = await asyncio.gather(*(pool.run(work) for pool in pools for _ in range(4)))
            assert len(set(used)) <= CONNECTIONS


async def test_a_bouncer_that_is_restarted_loses_and_doubles_nothing(
    bouncer: Through, postgres_dsn: str
) -> None:
    async with replicas(bouncer.url(), 2) as all_, asyncio.timeout(180):
        progress = Progress()
        producing = [
            asyncio.create_task(produce(all_, 40, patient=True, taking=progress.take))
            for _ in range(4)
        ]
        while progress.taken < 160:
            await asyncio.to_thread(bouncer.bouncer.stop)
            await asyncio.to_thread(bouncer.bouncer.start)
            # Some are taken between two restarts, however slow the machine is.
            await progress.more(20, producing)
        await asyncio.gather(*producing)
    assert progress.taken == 160
    assert await ask(postgres_dsn, "SELECT count(*) FROM run WHERE state = 7") == [(160,)]
    await check(postgres_dsn)


async def test_limits_of_time_hold_in_each_transaction(bouncer: Through, postgres_dsn: str) -> None:
    async with replica(bouncer.url()) as only:

        def read(connection: Any) -> str:
            return str(connection.exec_driver_sql("SHOW statement_timeout").scalar())

        assert await only.database._writers.run(read) == "30s"
        assert await only.database._readers.run(read) == "30s"
    # Nothing of it stays on the connection for whoever comes next.
    assert await ask(bouncer.url(""), "SHOW statement_timeout") == [("0",)]


async def test_a_way_past_the_bouncer_lets_watches_hear_at_once(
    bouncer: Through, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 60.0)
    url = bouncer.url(f"pgbouncer=true&listen={bouncer.direct}")
    async with replicas(url, 2) as (here, there):
        await see_a_commit(here, there)


async def test_without_one_they_look_again_and_again(bouncer: Through, postgres_dsn: str) -> None:
    async with replicas(bouncer.url(), 2) as (here, there):
        await see_a_commit(here, there)


@pytest.mark.parametrize("role", ROLES)
def test_the_schema_is_made_through_it(empty_postgres_dsn: str, role: str) -> None:
    held = owned_by_no_superuser(empty_postgres_dsn)
    with held if role == "held" else nullcontext(empty_postgres_dsn) as dsn, through(dsn) as way:
        for words in (["upgrade"], ["plan"], ["size"], ["prune"], ["upgrade"]):
            result = CliRunner().invoke(server, ["db", *words, "--database", way.url()])
            assert result.exit_code == 0, result.output


def test_who_forgets_to_say_so_is_told(bouncer: Through) -> None:
    database = PostgresDatabase(parse_postgres_url(bouncer.url("")))

    async def open_database() -> None:
        try:
            await database.open()
        finally:
            database.close()

    with pytest.raises(ServiceError, match=r"add \?pgbouncer=true") as raised:
        asyncio.run(open_database())
    assert raised.value.reason == "DATABASE_UNUSABLE"


@pytest.mark.parametrize("listen", ["db.internal", "db:port", ":5432"])
def test_a_way_past_it_is_host_and_port(listen: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_postgres_url(f"postgresql://me@pool/db?pgbouncer=true&listen={listen}")
