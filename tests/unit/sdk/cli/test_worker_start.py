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
    def check(pool: str, *, create: bool) -> None:
        del pool, create
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
    monkeypatch.setattr(worker_start, "_check_pool_now", failing(error))
    worker_start._check_pool("local", create=False)
    assert said == [f"{error}; the worker goes on trying"]
    with pytest.raises(RpcError):
        worker_start._check_pool("local", create=True)


def test_a_refusal_that_stays_ends_the_worker_at_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = RpcError("not permitted", code="PERMISSION_DENIED")
    monkeypatch.setattr(worker_start, "_check_pool_now", failing(refusal))
    with pytest.raises(RpcError, match="not permitted"):
        worker_start._check_pool("local", create=False)
