"""What callers send that they shouldn't, over the wire: each with its status, reason and silence.

A row is a call; it is refused as its row says, over gRPC and over Connect alike where both can
carry it, its answer holds none of what mustn't be told, and what can be listed is as it was.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.contract.identity.test_permissions import PUBLIC
from tests.in_process.place import API, all_methods
from tests.in_process.producing import batch, creation, transition
from tests.unit.service.identity.catalogue import ROWS
from tests.unit.service.identity.refusals import KEY_TEXT, UNAUTHENTICATED
from tests.unit.service.identity.wire import (
    CANARY,
    INGESTION,
    LIST,
    PARENT,
    Wire,
    bearer,
    is_stream,
    message_of,
    open_wire,
    type_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_TOLD = (
    CANARY,
    "Traceback",
    "towpath_service",
    "SELECT",
    "sqlalchemy",
    "site-packages",
    str(Path(__file__).parents[4]),
)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with open_wire(tmp_path_factory.mktemp("wire") / "towpath.db") as found:
        yield found


@pytest.mark.parametrize("name", ROWS)
def test_it_is_refused_as_it_should_be_and_nothing_changes(wire: Wire, name: str) -> None:
    row = ROWS[name]
    before = wire.seen or wire.state()
    body = row.body(wire) if callable(row.body) else row.body
    if not isinstance(body, bytes):
        fields = {"parent": PARENT} if body is None else body
        body = message_of(row.method, **fields).SerializeToString()
    metadata = row.token(wire) if callable(row.token) else bearer(getattr(wire, row.token))
    ways = [wire.grpc, wire.connect] if row.connect and not is_stream(row.method) else [wire.grpc]
    for way in ways:
        answer = way(row.method, body, metadata)
        assert (answer.code, answer.reason) == (row.code, row.reason), (way.__name__, answer)
        if row.code == "OK":
            assert row.holds(type_of(row.method, answer=True).FromString(answer.told)), way.__name__
        told = answer.told.decode("latin-1")
        assert not [secret for secret in NOT_TOLD if secret in told], answer
        assert wire.owner_key.split("_")[2] not in told
        assert row.code == "OK" or wire.other_run_id not in told or wire.other_run_id in str(body)
    wire.seen = wire.state()
    changed = {name for name, rows in wire.seen.items() if rows != before[name]}
    assert changed <= (INGESTION if row.code == "OK" else set())


def test_every_rpc_asks_who_calls_over_both_wires(wire: Wire) -> None:
    for method in sorted(set(all_methods()) - PUBLIC):
        body = message_of(method).SerializeToString()
        if method in {"IngestService/StreamUpdates", "WorkService/AttachWorker"}:
            continue  # Of both ways: unit/rpc.
        ways = [wire.grpc] if is_stream(method) else [wire.grpc, wire.connect]
        for way in ways:
            answers = [way(method, body, ()), way(method, body, bearer("x"))]
            told = [(answer.code, answer.reason) for answer in answers]
            assert told == [
                (UNAUTHENTICATED, "CREDENTIAL_MISSING"),
                (UNAUTHENTICATED, "CREDENTIAL_INVALID"),
            ], (method, way.__name__, told)


def test_what_the_attacks_are_made_of_is_let_in(wire: Wire) -> None:
    """Signed by hand with the service's key, but nothing wrong with it."""
    assert wire.deceiving("") != wire.owner
    assert wire.ask(wire.deceiving(""), LIST, parent=PARENT) is not None


def test_there_are_as_many_rows_as_there_should_be() -> None:
    assert len([name for name in ROWS if not name.startswith("5-14 ")]) >= 90


def test_whose_run_it_is_makes_no_difference_to_who_may_not(wire: Wire) -> None:
    """Not to a word: what is permitted is judged before what is there."""
    for token, method in ((wire.viewer, "DeleteRun"), (wire.owner, "GetRun")):
        told: set[bytes] = set()
        for run_id in (wire.other_run_id, str(uuid4()), _deleted(wire)):
            body = message_of(f"RunService/{method}", name=f"{PARENT}/runs/{run_id}")
            answer = wire.grpc(f"RunService/{method}", body.SerializeToString(), bearer(token))
            told.add(answer.told.replace(run_id.encode(), b"ID"))
        assert len({re.sub(rb"request_id.*", b"", text) for text in told}) == 1, told


def _deleted(wire: Wire) -> str:
    run_id, producer = str(uuid4()), str(uuid4())
    made = creation(run_id, kind=1, flow_id="gone")
    ended = transition(run_id)
    wire.ask(
        wire.owner,
        "IngestService/RecordUpdates",
        workspace=PARENT,
        producer_id=producer,
        batch=batch(1, made, ended),
    )
    wire.ask(wire.owner, "RunService/DeleteRun", name=f"{PARENT}/runs/{run_id}")
    wire.seen = None
    return run_id


@pytest.mark.parametrize("method", [LIST, "LogService/WriteLogs"])
def test_json_is_not_parsed_for_nobody(wire: Wire, method: str) -> None:
    reply = wire.edge.http(f"/{API}.{method}", b"{", content_type="application/json")
    assert (reply.status, reply.json["code"]) == (401, "unauthenticated")


def test_after_twenty_wrong_keys_an_address_waits(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher: Any = wire.edge.service.dispatcher
    address_limits, now = dispatcher._guard._address_limits, time.monotonic()
    # Time stands still: each three seconds one more key is looked at.
    monkeypatch.setattr(address_limits, "_now", lambda: now)
    method = "AuthService/ExchangeToken"
    body = message_of(method, api_key=KEY_TEXT).SerializeToString()
    answers = [wire.grpc(method, body, ()) for _ in range(30)]
    assert answers[-1].code == "RESOURCE_EXHAUSTED"
    assert answers[-1].reason == "QUOTA_EXCEEDED"
    # Whoever has a token goes on, and whoever has a key gets one.
    assert wire.ask(wire.owner, LIST, parent=PARENT) is not None
    right = message_of(method, api_key=wire.owner_key).SerializeToString()
    assert [way(method, right, ()).code for way in (wire.grpc, wire.connect)] == ["OK", "OK"]
