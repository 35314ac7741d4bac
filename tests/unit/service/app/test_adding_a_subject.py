"""A subject is added by what the service offers for it: no file of another subject changes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from sqlalchemy import PrimaryKeyConstraint, Table, func, select
from towpath.api.v1 import access_rule_pb2
from towpath_auth import LOCAL_TENANT_ID
from towpath_service.app.subjects import Foundation, Subject
from towpath_service.app.wiring import open_service
from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope, parse_workspace
from towpath_service.database import columns
from towpath_service.database.port import Database, SqlTransaction, sql_of
from towpath_service.database.sql.row_security import without_tenant
from towpath_service.database.sql.statements import insert_new
from towpath_service.database.tables import OF_INSTALLATION, metadata

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from towpath_auth import Caller
    from towpath_service.core.transactions import Transaction
    from towpath_service.runs.ports.store import RunStore

SERVICE = "towpath.bookmarks.v1.BookmarkService"
SCOPE = Scope(LOCAL_TENANT_ID, "default")


@pytest.fixture
def bookmark() -> Iterator[Table]:
    """The subject's table, declared as a module of its storage would."""
    table = Table(
        "bookmark",
        metadata,
        *columns.scope(),
        columns.string("bookmark_id", 63),
        PrimaryKeyConstraint("tenant_id", "workspace_id", "bookmark_id"),
    )
    yield table
    metadata.remove(table)


def contract() -> Any:
    """The subject's part of the contract: one rpc, with its access rule."""
    file = descriptor_pb2.FileDescriptorProto(
        name="towpath/bookmarks/v1/bookmark_service.proto",
        package="towpath.bookmarks.v1",
        syntax="proto3",
        dependency=["towpath/api/v1/access_rule.proto"],
    )
    request = file.message_type.add(name="AddBookmarkRequest")
    for number, name in enumerate(("parent", "bookmark_id"), start=1):
        request.field.add(name=name, number=number, type="TYPE_STRING", label="LABEL_OPTIONAL")
    answer = file.message_type.add(name="AddBookmarkResponse")
    answer.field.add(name="count", number=1, type="TYPE_INT64", label="LABEL_OPTIONAL")
    service = file.service.add(name="BookmarkService")
    method = service.method.add(
        name="AddBookmark",
        input_type=".towpath.bookmarks.v1.AddBookmarkRequest",
        output_type=".towpath.bookmarks.v1.AddBookmarkResponse",
    )
    rule: Any = method.options.Extensions[access_rule_pb2.access_rule]
    rule.level = access_rule_pb2.ACCESS_LEVEL_AUTHENTICATED
    return descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


contract()


class Bookmarks:
    """One transaction about the bookmarks of one tenant."""

    def __init__(self, transaction: SqlTransaction, table: Table) -> None:
        self._connection = transaction.connection
        self._table = table

    def add(self, scope: Scope, bookmark_id: str) -> int:
        key = {"workspace_id": scope.workspace_id, "bookmark_id": bookmark_id}
        insert_new(self._connection, self._table, tenant_id=scope.tenant_id, **key)
        return int(self._connection.execute(select(func.count(self._table.c[1]))).scalar_one())


class BookmarkStore:
    """Keeps bookmarks."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    def on(self, transaction: Transaction) -> Bookmarks:
        return Bookmarks(sql_of(transaction), self._table)

    async def write(self, tenant_id: str, work: Callable[[Bookmarks, Transaction], Any]) -> Any:
        return await self._database.write(
            lambda transaction: work(self.on(transaction), transaction), tenants={tenant_id}
        )


class BookmarkHandler:
    """Adds bookmarks, and touches the workspace's runs in the same transaction."""

    service: ClassVar[str] = SERVICE

    def __init__(self, store: BookmarkStore, runs: RunStore) -> None:
        self._store = store
        self._runs = runs

    async def add_bookmark(self, request: Any, caller: Caller) -> Any:
        scope = Scope(caller.tenant_id, parse_workspace(request.parent))

        def work(bookmarks: Bookmarks, transaction: Transaction) -> int:
            count = bookmarks.add(scope, request.bookmark_id)
            if self._runs.on(transaction).position(scope):
                raise ServiceError(reason="RESOURCE_IN_USE", message="too late for bookmarks")
            return count

        answer = message("AddBookmarkResponse")
        answer.count = await self._store.write(scope.tenant_id, work)
        return answer


def message(name: str, **fields: Any) -> Any:
    pool = descriptor_pool.Default()
    found = pool.FindMessageTypeByName(f"towpath.bookmarks.v1.{name}")
    return message_factory.GetMessageClass(found)(**fields)


def bookmarks(table: Table) -> Any:
    """The subject, as its wiring opens it."""

    def migrated(transaction: SqlTransaction) -> None:
        """What the subject's migration does."""
        table.create(transaction.connection)

    @asynccontextmanager
    async def opened(foundation: Foundation) -> AsyncGenerator[Subject]:
        store = BookmarkStore(foundation.stores.database, table)
        await foundation.stores.database.write(migrated)

        async def tidy() -> None:
            """Runs in the background of a server."""

        handler = BookmarkHandler(store, foundation.stores.runs)
        yield Subject(handlers=(handler,), loops={"bookmarks": tidy})

    return opened


async def test_a_subject_brings_its_table_store_handler_and_rpc(bookmark: Table) -> None:
    async with open_service(None, subjects=[bookmarks(bookmark)]) as service:
        endpoint = service.dispatcher.endpoint(f"{SERVICE}/AddBookmark")
        for bookmark_id in ("first", "second", "second"):
            request = message(
                "AddBookmarkRequest", parent="workspaces/default", bookmark_id=bookmark_id
            )
            answer: Any = await service.dispatcher.unary(endpoint, request, {})
        assert answer.count == 2
        assert "bookmarks" in service.loops
        assert {"reaper", "liveness"} < service.loops.keys()


async def test_two_subjects_work_in_one_transaction(bookmark: Table) -> None:
    async with open_service(None, subjects=[bookmarks(bookmark)]) as service:
        store = BookmarkStore(service.stores.database, bookmark)
        runs = service.stores.runs
        assert await store.write(LOCAL_TENANT_ID, lambda kept, _: kept.add(SCOPE, "kept")) == 1

        def failing(kept: Bookmarks, transaction: Transaction) -> None:
            assert kept.add(SCOPE, "lost") == 2
            assert runs.on(transaction).position(SCOPE) == 0
            raise ServiceError(reason="RESOURCE_IN_USE", message="not now")

        with pytest.raises(ServiceError):
            await store.write(LOCAL_TENANT_ID, failing)
        # Neither subject's part stays of a transaction that fails.
        assert await store.write(LOCAL_TENANT_ID, lambda kept, _: kept.add(SCOPE, "kept")) == 1


def test_a_table_belongs_to_tenants_unless_it_is_marked(bookmark: Table) -> None:
    assert bookmark.name not in without_tenant()
    marked = Table("lock", metadata, columns.string("name", 63), info=OF_INSTALLATION)
    try:
        assert "lock" in without_tenant()
    finally:
        metadata.remove(marked)
