"""A worker begins also while the service is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath.cli.work import worker_start
from towpath.exceptions import NotATowpathServer, RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.subject("work")


def failing(error: RpcError) -> Callable[..., Any]:
    def check(pool: str, kind: str | None, *, create: bool) -> str:
        del pool, kind, create
        raise error

    return check


@pytest.mark.parametrize(
    "error",
    [
        ServerUnreachable("connection refused", code="UNAVAILABLE"),
        NotATowpathServer("a load balancer without servers", code="UNKNOWN"),
        RpcError("the database is away", code="UNAVAILABLE"),
        RpcError("the service is busy", code="RESOURCE_EXHAUSTED"),
    ],
)
def test_a_service_that_may_come_back_is_waited_for(
    error: RpcError, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(worker_start, "note", said.append)
    monkeypatch.setattr(worker_start, "_kind_now", failing(error))
    assert worker_start._kind_of("local", None, create=False) == "process"
    assert said == [f"{error}; the worker goes on trying"]
    with pytest.raises(RpcError):
        worker_start._kind_of("local", None, create=True)


def test_a_refusal_that_stays_ends_the_worker_at_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = RpcError("not permitted", code="PERMISSION_DENIED")
    monkeypatch.setattr(worker_start, "_kind_now", failing(refusal))
    with pytest.raises(RpcError, match="not permitted"):
        worker_start._kind_of("local", None, create=False)


def test_the_kind_that_is_given_is_served_while_nobody_says_the_pools(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_start, "note", lambda text: None)
    monkeypatch.setattr(
        worker_start, "_kind_now", failing(ServerUnreachable("away", code="UNAVAILABLE"))
    )
    assert worker_start._kind_of("local", "kubernetes", create=False) == "kubernetes"


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (None, "towpath pool create jobs"),
        ("process", "towpath pool create jobs"),
        ("kubernetes", "towpath pool create jobs --kind kubernetes"),
    ],
)
def test_a_missing_pool_is_told_with_the_command_that_makes_it(
    kind: str | None, command: str
) -> None:
    assert worker_start._creation("jobs", kind) == command
