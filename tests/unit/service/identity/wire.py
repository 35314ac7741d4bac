"""A service with identity, called over gRPC and Connect with any bytes."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import grpc
from google.protobuf import message_factory
from google.protobuf.any_pb2 import Any as Any_
from google.protobuf.descriptor_pool import Default
from google.rpc import error_details_pb2, status_pb2
from towpath_auth.credentials import AccessClaims, new_signing_key
from towpath_service.app.identity.bootstrap import enable_identity
from towpath_service.identity.application.authority import AUDIENCE, ISSUER

from tests.in_process.edges import Edge, open_edge
from tests.in_process.place import API, OPTIONS, SEALING
from tests.in_process.producing import batch, creation
from tests.unit.auth.attacks import Forger, attacks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LIST = "RunService/ListRuns"
PARENT = "workspaces/default"
RUN = f"{PARENT}/runs/{uuid4()}"
PRODUCER = str(uuid4())
CANARY = "CANARY-of-another-tenant"
AUDIT = {"audit_entry", "audit_head"}
"""Tables that a refused call may change."""
INGESTION = {"producer", "refusal", "workspace"}
"""Tables that an acknowledged batch changes, although its updates are refused."""
_DETAILS: dict[str, Any] = {
    name: message_factory.GetMessageClass(kind)
    for name, kind in error_details_pb2.DESCRIPTOR.message_types_by_name.items()
}

State: TypeAlias = dict[str, list[tuple[Any, ...]]]
"""Rows by table."""


@dataclass(slots=True)
class Wire:
    """An edge with identity, and who calls."""

    edge: Edge
    database: Path
    owner_key: str
    owner: str = ""
    viewer: str = ""
    other: str = ""
    """Owner of another tenant."""
    run_id: str = ""
    """A run of the first tenant."""
    other_run_id: str = ""
    channel: Any = None
    made_to_deceive: dict[str, str] = field(default_factory=dict[str, str])
    """Tokens made of the owner's with the service's own key."""
    seen: State | None = None
    """The state after the last row."""

    def grpc(self, method: str, body: bytes, metadata: tuple[tuple[str, str], ...]) -> Answer:
        """One call with raw bytes."""
        stream = is_stream(method)
        multi = (self.channel.unary_stream if stream else self.channel.unary_unary)(
            f"/{API}.{method}"
        )
        try:
            answer = multi(body, metadata=metadata, timeout=20)
            return Answer("OK", told=next(iter(answer), b"") if stream else answer)
        except grpc.RpcError as error:
            return _answer_of(error)

    def connect(self, method: str, body: bytes, metadata: tuple[tuple[str, str], ...]) -> Answer:
        """The same over Connect."""
        reply = self.edge.http(
            f"/{API}.{method}", body, content_type="application/proto", **dict(metadata)
        )
        if reply.status == 200:
            return Answer("OK", told=reply.body)
        details = [
            Any_(type_url=f"type.googleapis.com/{found['type']}", value=_unpadded(found["value"]))
            for found in reply.json.get("details", ())
        ]
        return _refusal(str(reply.json["code"]).upper(), details, reply.body)

    def ask(self, token: str, method: str, **fields: Any) -> Any:
        answer = self.grpc(method, message_of(method, **fields).SerializeToString(), bearer(token))
        assert answer.code == "OK", answer
        return type_of(method, answer=True).FromString(answer.told)

    def deceiving(self, name: str) -> str:
        """A token that the service's key has signed, but for what is wrong with it."""
        if not self.made_to_deceive:
            authority: Any = self.edge.service.authority
            forger = Forger(
                key=authority.ring.signing,
                good=self.owner,
                foreign=self.forged(new_signing_key()),
                # Of the time of the call, which comes after.
                ahead_seconds=500,
            )
            self.made_to_deceive = {**attacks(forger), "": forger.claim()}
        return self.made_to_deceive[name]

    def forged(self, key: Any = None, **changes: Any) -> str:
        """A token of the owner's with other claims, signed by the service or by another key."""
        authority: Any = self.edge.service.authority
        claims: AccessClaims = authority._verifier.verify(self.owner, time.time())
        signing = key or authority.ring.signing
        made: str = signing.sign(replace(claims, **changes), issuer=ISSUER, audience=AUDIENCE)
        return made

    def state(self) -> State:
        """All that is stored, but for the audit log: rows by table."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {
                name: connection.execute(f"SELECT * FROM {name}").fetchall()
                for (name,) in names.fetchall()
                if name not in AUDIT
            }


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended."""

    code: str
    reason: str = ""
    told: bytes = b""
    """All of it, details as text."""


@contextmanager
def open_wire(database: Path) -> Iterator[Wire]:
    """A service with two tenants, over both transports."""
    made = asyncio.run(enable_identity(database, SEALING, "owner@example.org"))
    assert made is not None
    with open_edge(database, OPTIONS, SEALING) as edge, edge.channel() as channel:
        found = Wire(edge, database, made.api_key, channel=channel)
        exchange = "AuthService/ExchangeToken"
        found.owner = _exchanged(found, exchange, made.api_key)
        viewer = found.ask(
            found.owner,
            "AccessService/CreateUser",
            email="viewer@example.org",
            role="roles/viewer",
            workspace=PARENT,
            with_api_key=True,
        )
        found.viewer = _exchanged(found, exchange, viewer.api_key)
        tenant = found.ask(
            found.owner,
            "TenantService/CreateTenant",
            tenant_id="other",
            owner_email="owner@other.test",
        )
        found.other = _exchanged(found, exchange, tenant.owner_api_key)
        found.ask(found.other, "AccessService/CreateWorkspace", workspace_id="theirs")
        for name in ("main", "other"):
            found.ask(
                found.owner,
                "TenantService/SetTenantQuotas",
                name=f"tenants/{name}",
                quotas={"calls_per_second": 1_000_000},
            )
        found.run_id = _reported(found, found.owner, "mine")
        found.other_run_id = _reported(found, found.other, CANARY)
        yield found


def _exchanged(wire: Wire, method: str, key: str) -> str:
    body = message_of(method, api_key=key).SerializeToString()
    answer = wire.grpc(method, body, ())
    token: str = type_of(method, answer=True).FromString(answer.told).access_token
    return token


def _reported(wire: Wire, token: str, name: str) -> str:
    run_id = str(uuid4())
    made = creation(run_id, kind=1, flow_id="nightly", display_name=name)
    wire.ask(
        token,
        "IngestService/RecordUpdates",
        workspace=PARENT,
        producer_id=str(uuid4()),
        batch=batch(1, made),
    )
    return run_id


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def type_of(method: str, *, answer: bool = False) -> Any:
    service, _, name = method.partition("/")
    found = Default().FindServiceByName(f"{API}.{service}").methods_by_name[name]
    return message_factory.GetMessageClass(found.output_type if answer else found.input_type)


def message_of(method: str, **fields: Any) -> Any:
    return type_of(method)(**fields)


def is_stream(method: str) -> bool:
    return "/Watch" in method or "/Tail" in method or "/Stream" in method


def _answer_of(error: grpc.RpcError) -> Answer:
    call: Any = error
    details: list[Any_] = []
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            details = list(status_pb2.Status.FromString(value).details)
    trailers = repr(call.trailing_metadata()).encode()
    return _refusal(call.code().name, details, str(call.details() or "").encode() + trailers)


def _refusal(code: str, details: Sequence[Any_], told: bytes) -> Answer:
    reason = ""
    for detail in details:
        found = _DETAILS[detail.type_url.rpartition(".")[2]].FromString(detail.value)
        told += str(found).encode()
        if isinstance(found, error_details_pb2.ErrorInfo):
            reason = found.reason
    return Answer(code, reason, told)


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
