"""A database file that is removed or replaced under its service takes no more transactions."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from towpath_service.core.errors import ServiceError
from towpath_service.database.sqlite.connections import SqliteConnections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "odd name?#%.db"


@pytest.fixture
def connections(path: Path) -> Iterator[SqliteConnections]:
    opened = SqliteConnections(path)
    yield opened
    opened.close()


def make(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE numbers (number INTEGER)"))


def add(connection: Connection) -> None:
    connection.execute(text("INSERT INTO numbers VALUES (1)"))


def count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM numbers")).scalar_one())


def counted(path: Path) -> int:
    """What a process that opens the file now finds in it."""
    with sqlite3.connect(path) as other:
        found = int(other.execute("SELECT count(*) FROM numbers").fetchone()[0])
    other.close()
    return found


def remove(path: Path) -> None:
    path.unlink()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def rename(path: Path, other: Path) -> None:
    path.rename(other)


def link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def copy(path: Path, other: Path) -> None:
    other.write_bytes(path.read_bytes())


def remove_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def replace(path: Path) -> None:
    other = path.with_suffix(".other")
    copy(path, other)
    other.replace(path)


def remove_the_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def remove_the_index(path: Path) -> None:
    path.with_name(f"{path.name}-shm").unlink()


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


DEEDS = [
    remove,
    remove_the_folder,
    replace,
    remove_the_log,
    remove_the_index,
    put_a_folder_there,
]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
async def test_no_transaction_is_committed_or_read_once_the_files_are_others(
    connections: SqliteConnections,
    path: Path,
    deed: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await connections.write(make)
    assert connections.files is not None
    assert connections.files.trouble() == ""
    deed(path)
    for attempt in (connections.write(add), connections.read(count), connections.write(add)):
        with pytest.raises(ServiceError, match="removed or replaced") as refused:
            await attempt
        assert refused.value.reason == "OVERLOADED"
        assert str(path) not in refused.value.message
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(path) in record.message
    assert "restart the server" in record.message
    assert connections.files.trouble() != ""


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
async def test_work_during_which_the_files_change_is_not_reported_done(
    connections: SqliteConnections, path: Path, deed: Callable[[Path], None]
) -> None:
    await connections.write(make)

    def add_meanwhile(connection: Connection) -> None:
        add(connection)
        deed(path)

    with pytest.raises(ServiceError, match="removed or replaced"):
        await connections.write(add_meanwhile)


async def test_a_removed_file_is_not_made_anew_by_a_further_connection(
    connections: SqliteConnections, path: Path
) -> None:
    await connections.write(make)
    remove(path)
    with pytest.raises(ServiceError):
        await connections.read(count)
    assert names_in(path.parent) == {f"{path.name}-shm", f"{path.name}-wal"}


async def test_a_file_that_is_put_back_is_used_again(
    connections: SqliteConnections, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await connections.write(make)
    await connections.write(add)
    aside = path.with_suffix(".aside")
    rename(path, aside)
    with pytest.raises(ServiceError):
        await connections.write(add)
    rename(aside, path)
    await connections.write(add)
    assert await connections.read(count) == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert counted(path) == 2


async def test_a_link_that_leads_elsewhere_is_another_file(tmp_path: Path) -> None:
    real, other, name = tmp_path / "real.db", tmp_path / "other.db", tmp_path / "link.db"
    link(name, real)
    connections = SqliteConnections(name)
    await connections.write(make)
    await connections.write(add)
    assert await connections.read(count) == 1
    copy(real, other)
    link(name, other)
    with pytest.raises(ServiceError):
        await connections.write(add)
    connections.close()


async def test_a_relative_path_is_the_same_file_when_the_process_changes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    connections = SqliteConnections(Path("here.db"))
    await connections.write(make)
    monkeypatch.chdir(tmp_path.parent)
    await connections.write(add)
    assert await connections.read(count) == 1
    connections.close()
    assert counted(tmp_path / "here.db") == 1


async def test_a_database_in_memory_has_no_files() -> None:
    connections = SqliteConnections(None)
    await connections.write(make)
    assert connections.files is None
    assert await connections.read(count) == 0
    connections.close()
