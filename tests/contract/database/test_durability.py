"""What the service sees to, and what it warns of, so that a commit is on the disk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.database.postgres.database import PostgresDatabase
from towpath_service.database.postgres_url import parse_postgres_url

from tests.in_process.replicas import ask, replica
from tests.postgres.bouncer import bouncer_for_tests
from tests.postgres.fixtures import upgrade
from tests.postgres.server import name_of, postgres_for_tests

if TYPE_CHECKING:
    from tests.postgres.server import Databases


def of_the_session(connection: Any) -> str:
    return str(connection.exec_driver_sql("SHOW synchronous_commit").scalar())


async def set_default(dsn: str, value: str) -> None:
    await ask(dsn, f'ALTER DATABASE "{name_of(dsn)}" SET synchronous_commit = {value}')


@pytest.mark.parametrize(
    ("default", "chosen"),
    [
        ("off", "on"),
        ("on", "on"),
        ("local", "local"),
        ("remote_write", "remote_write"),
        ("remote_apply", "remote_apply"),
    ],
)
async def test_commits_wait_for_the_disk_whatever_the_default_is(
    postgres_dsn: str, default: str, chosen: str
) -> None:
    await set_default(postgres_dsn, default)
    async with replica(postgres_dsn) as only:
        assert await only.database._writers.run(of_the_session) == chosen


async def test_commits_wait_for_the_disk_behind_a_pooler_too(
    postgres: Databases, postgres_dsn: str
) -> None:
    await set_default(postgres_dsn, "off")
    with bouncer_for_tests(postgres.dsn) as bouncer:
        async with replica(bouncer.url(postgres_dsn)) as only:
            assert await only.database._writers.run(of_the_session) == "on"


async def test_a_default_that_is_weakened_later_changes_nothing(postgres_dsn: str) -> None:
    async with replica(postgres_dsn) as only:
        await only.database._writers.run(of_the_session)
        await set_default(postgres_dsn, "off")
        await only.database._writers.engine.dispose()
        assert await only.database._writers.run(of_the_session) == "on"


async def test_a_server_that_keeps_nothing_through_a_power_cut_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with postgres_for_tests({"fsync": "off", "full_page_writes": "off"}) as server:
        await upgrade(server.dsn())
        with caplog.at_level(logging.WARNING):
            database = PostgresDatabase(parse_postgres_url(server.dsn()))
            await database.open()
            database.close()
    (warning,) = caplog.messages
    assert "fsync=off, full_page_writes=off" in warning
    assert "ALTER SYSTEM SET fsync = on;" in warning


async def test_a_server_that_keeps_all_is_not_warned_of(
    postgres_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with replica(postgres_dsn):
            pass
    assert caplog.messages == []
