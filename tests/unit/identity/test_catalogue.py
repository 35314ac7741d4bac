"""What callers send that they shouldn't, over the wire: each with its status, reason and silence.

A row is a call; it is refused as its row says, over gRPC and over Connect alike where both can
carry it, its answer holds none of what mustn't be told, and what can be listed is as it was.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.any_pb2 import Any as Any_
from google.protobuf.descriptor_pool import Default
from google.rpc import error_details_pb2, status_pb2
from towpath_auth.credentials import AccessClaims, new_api_key, new_signing_key
from towpath_service.app.switching import switch_on
from towpath_service.application.authority import AUDIENCE, ISSUER

from tests.unit.auth.attacks import Forger, attacks
from tests.unit.auth.foreign_tokens import signed
from tests.unit.auth.test_verifier import ATTACKS
from tests.unit.identity.place import API, WANTED, all_methods
from tests.unit.identity.test_permissions import PUBLIC
from tests.unit.rpc.edges import Edge, open_edge
from tests.unit.rpc.producing import batch, creation, recording, transition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LIST = "RunService/ListRuns"
PARENT = "workspaces/default"
RUN = f"{PARENT}/runs/{uuid4()}"
PRODUCER = str(uuid4())
CANARY = "CANARY-of-another-tenant"
_DETAILS: dict[str, Any] = {
    name: message_factory.GetMessageClass(kind)
    for name, kind in error_details_pb2.DESCRIPTOR.message_types_by_name.items()
}
NOT_TOLD = (
    CANARY,
    "Traceback",
    "towpath_service",
    "SELECT",
    "sqlalchemy",
    "site-packages",
    str(Path(__file__).parents[3]),
)


@dataclass(slots=True)
class Wire:
    """An edge with identity, and who calls."""

    edge: Edge
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
    seen: str = ""
    """The state after the last row."""

    def grpc(self, method: str, body: bytes, metadata: tuple[tuple[str, str], ...]) -> Answer:
        """One call with raw bytes."""
        stream = _is_stream(method)
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
        answer = self.grpc(method, _message(method, **fields).SerializeToString(), bearer(token))
        assert answer.code == "OK", answer
        return _type(method, answer=True).FromString(answer.told)

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

    def state(self) -> str:
        """All that both owners can list."""
        return "".join(
            f"{token is self.owner} {method} {_without_tokens(self.ask(token, method, **fields))}"
            for token, run_id in ((self.owner, self.run_id), (self.other, self.other_run_id))
            for method, fields in _listing(run_id).items()
        )


def _listing(run_id: str) -> dict[str, dict[str, Any]]:
    """What is asked to see all that there is."""
    run = f"{PARENT}/runs/{run_id}"
    access = ("Users", "Workspaces", "Roles", "RoleBindings", "ServiceAccounts", "Trusts")
    return {
        LIST: {"parent": PARENT},
        "RunService/GetRun": {"name": run},
        "RunService/ListRunTransitions": {"parent": run},
        "LogService/ListLogs": {"parent": run},
        "FlowService/ListFlows": {"parent": PARENT},
        "SecretService/ListSecrets": {"parent": PARENT},
        **{f"AccessService/List{name}": {} for name in access},
        "AccessService/ListApiKeys": {"parent": ""},
    }


def _without_tokens(answer: Any) -> Any:
    for name in ("resume_token", "next_page_token"):
        if name in answer.DESCRIPTOR.fields_by_name:
            answer.ClearField(name)
    return answer


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended."""

    code: str
    reason: str = ""
    told: bytes = b""
    """All of it, details as text."""


@dataclass(frozen=True, slots=True)
class Row:
    """A call that is refused."""

    code: str
    reason: str
    method: str = LIST
    body: Any = None
    """Bytes, or fields of a request, or a function of the wire that gives either."""
    token: Any = "owner"
    """Whose token; or a function of the wire that gives metadata."""
    connect: bool = True
    """Whether Connect can carry it, too."""
    holds: Callable[[Any], object] = bool
    """What is true of the answer of a row that is OK."""


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def said(text: str) -> Callable[[Wire], tuple[tuple[str, str], ...]]:
    return lambda _: (("authorization", text),)


def update(**fields: Any) -> bytes:
    """A report with one update that has other fields than it may."""
    request = recording(PRODUCER, 1, creation(str(uuid4()), kind=1, flow_id="nightly"))
    for name, value in fields.items():
        setattr(request, name, value)
    return request.SerializeToString()


UNAUTHENTICATED, DENIED, INVALID = "UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT"
KEY_TEXT = new_api_key("user").text
NOW = int(time.time())


def _from_the_future() -> dict[str, int]:
    # Of the time of the call: the rows are made long before, when the tests are collected.
    now = int(time.time())
    return {"issued_at": now + 300, "expires_at": now + 600}


def _trust(**changes: Any) -> dict[str, Any]:
    return {
        "issuer": "https://issuer.example",
        "audiences": ["towpath"],
        "rules": [{"path": "sub", "value": "x"}],
        "service_account": "serviceAccounts/nobody",
        **changes,
    }


CREDENTIALS: dict[str, Row] = {
    "1 no credential": Row(UNAUTHENTICATED, "CREDENTIAL_MISSING", token=lambda _: ()),
    "2 two credentials": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        token=lambda wire: (*bearer(wire.owner), ("authorization", "Bearer x")),
        connect=False,
    ),
    "2 two credentials, the good one last": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        token=lambda wire: (("authorization", "Bearer x"), *bearer(wire.owner)),
        connect=False,
    ),
    "3 a password": Row(UNAUTHENTICATED, "CREDENTIAL_INVALID", token=said("Basic dXNlcjpwYXNz")),
    "3 no space": Row(UNAUTHENTICATED, "CREDENTIAL_INVALID", token=said("Bearerx")),
    "3 nothing after the scheme": Row(UNAUTHENTICATED, "CREDENTIAL_INVALID", token=said("Bearer ")),
    "4 an API key as a token": Row(
        UNAUTHENTICATED, "CREDENTIAL_NOT_EXCHANGED", token=said(f"Bearer {KEY_TEXT}")
    ),
    "5 signed by another's key": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        token=lambda wire: bearer(wire.forged(new_signing_key())),
    ),
    "9 a life of a day": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        token=lambda wire: bearer(wire.forged(expires_at=NOW + 86_400)),
    ),
    "10 expired": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_EXPIRED",
        token=lambda wire: bearer(wire.forged(issued_at=NOW - 700, expires_at=NOW - 100)),
    ),
    "10 from the future": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        token=lambda wire: bearer(wire.forged(**_from_the_future())),
    ),
    "15 of an old epoch": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_REVOKED",
        token=lambda wire: bearer(wire.forged(epoch=0)),
    ),
    "15 of a principal that is gone": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_REVOKED",
        token=lambda wire: bearer(wire.forged(principal=f"users/{uuid4()}")),
    ),
    "15 of a key that never was": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_REVOKED",
        token=lambda wire: bearer(wire.forged(credential_id="A" * 16)),
    ),
    "15 of a tenant that isn't the key's": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_REVOKED",
        token=lambda wire: bearer(wire.forged(tenant_id=str(uuid4()))),
    ),
    "16 a key with a slip": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        "AuthService/ExchangeToken",
        {"api_key": KEY_TEXT[:-1] + ("0" if KEY_TEXT[-1] != "0" else "1")},
        token=lambda _: (),
    ),
    "16 a key that nobody has": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        "AuthService/ExchangeToken",
        {"api_key": KEY_TEXT},
        token=lambda _: (),
    ),
    "16 no key": Row(
        INVALID, "INVALID_REQUEST", "AuthService/ExchangeToken", {}, token=lambda _: ()
    ),
    "18 a device code that nobody has": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        "AuthService/ExchangeToken",
        {"device_code": new_api_key("device").text},
        token=lambda _: (),
    ),
    "18 a user code that no device shows": Row(
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        "AuthService/ApproveDeviceSignIn",
        {"user_code": "BCDF-GHJK"},
    ),
    "19 a token of an issuer that nobody trusts": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        "AuthService/ExchangeToken",
        {"id_token": signed()},
        token=lambda _: (),
    ),
    "19 a token for a tenant that isn't there": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        "AuthService/ExchangeToken",
        {"id_token": signed(), "tenant": "nowhere"},
        token=lambda _: (),
    ),
    "a refresh token that nobody has": Row(
        UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        "AuthService/ExchangeToken",
        {"refresh_token": new_api_key("refresh").text},
        token=lambda _: (),
    ),
    "a key for a tenant of one's choice": Row(
        INVALID,
        "INVALID_REQUEST",
        "AuthService/ExchangeToken",
        {"api_key": KEY_TEXT, "tenant": "main"},
        token=lambda _: (),
    ),
    "signing out without a login": Row(
        "NOT_FOUND", "RESOURCE_NOT_FOUND", "AuthService/SignOut", {}
    ),
    "64 a trust whose keys are around the service": Row(
        INVALID,
        "INVALID_REQUEST",
        "AccessService/CreateTrust",
        {"trust_id": "t", "trust": _trust(jwks_uri="http://169.254.169.254/keys")},
    ),
    "a trust in everybody of an issuer": Row(
        INVALID,
        "INVALID_REQUEST",
        "AccessService/CreateTrust",
        {"trust_id": "t", "trust": _trust(rules=[])},
    ),
    "a trust with a path for an id": Row(
        INVALID,
        "INVALID_REQUEST",
        "AccessService/CreateTrust",
        {"trust_id": "../t", "trust": _trust()},
    ),
    "25 a trust of whoever may make none": Row(
        "PERMISSION_DENIED",
        "PERMISSION_MISSING",
        "AccessService/CreateTrust",
        {"trust_id": "t", "trust": _trust()},
        token="viewer",
    ),
    "16 a key of 300 characters": Row(
        INVALID,
        "INVALID_REQUEST",
        "AuthService/ExchangeToken",
        {"api_key": "x" * 300},
        token=lambda _: (),
    ),
}
for _name, _attack in ATTACKS.items():
    # gRPC and HTTP carry no line feeds and no letters beyond ASCII; the rest arrives as it is, but
    # for blanks around it.
    if _attack.isascii() and _attack.isprintable() and len(_attack) < 6000:
        CREDENTIALS[f"5-14 {_name}"] = Row(
            UNAUTHENTICATED,
            "CREDENTIAL_INVALID",
            token=lambda wire, name=_name: bearer(wire.deceiving(name)),
            connect=_attack == _attack.strip(),
        )

AUTHORIZATION: dict[str, Row] = {
    "20 a viewer deletes its tenant's run": Row(
        DENIED,
        "PERMISSION_MISSING",
        "RunService/DeleteRun",
        lambda wire: {"name": f"{PARENT}/runs/{wire.run_id}"},
        "viewer",
    ),
    "20 a viewer deletes another's run": Row(
        DENIED,
        "PERMISSION_MISSING",
        "RunService/DeleteRun",
        lambda wire: {"name": f"{PARENT}/runs/{wire.other_run_id}"},
        "viewer",
    ),
    "20 a viewer deletes nobody's run": Row(
        DENIED, "PERMISSION_MISSING", "RunService/DeleteRun", {"name": RUN}, "viewer"
    ),
    "21 another tenant's run": Row(
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        "RunService/GetRun",
        lambda wire: {"name": f"{PARENT}/runs/{wire.other_run_id}"},
    ),
    "21 nobody's run": Row("NOT_FOUND", "RESOURCE_NOT_FOUND", "RunService/GetRun", {"name": RUN}),
    "22 a workspace of nobody's": Row(
        DENIED, "PERMISSION_MISSING", LIST, {"parent": "workspaces/nowhere"}, "viewer"
    ),
    "22 a workspace of nobody's, by an owner": Row(
        "NOT_FOUND", "RESOURCE_NOT_FOUND", LIST, {"parent": "workspaces/nowhere"}
    ),
    "23 a report on another tenant's run": Row(
        "OK",
        "",
        "IngestService/RecordUpdates",
        lambda wire: recording(str(uuid4()), 1, transition(wire.other_run_id)).SerializeToString(),
        holds=lambda answer: [item.reason for item in answer.ack.rejections] == ["RUN_UNKNOWN"],
    ),
    "23 a run below another tenant's run": Row(
        "OK",
        "",
        "IngestService/RecordUpdates",
        lambda wire: recording(
            str(uuid4()), 1, transition(str(uuid4())), transition(wire.other_run_id)
        ).SerializeToString(),
        holds=lambda answer: len(answer.ack.rejections) == 2,
    ),
    "22 another tenant's workspace": Row(
        "NOT_FOUND", "RESOURCE_NOT_FOUND", LIST, {"parent": "workspaces/theirs"}
    ),
    "22 another tenant's workspace, by a viewer": Row(
        DENIED, "PERMISSION_MISSING", LIST, {"parent": "workspaces/theirs"}, "viewer"
    ),
    "22 a report to another tenant's workspace": Row(
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        "IngestService/RecordUpdates",
        lambda _: update(workspace="workspaces/theirs"),
    ),
    "25 a role above one's own": Row(
        DENIED,
        "PERMISSION_MISSING",
        "AccessService/CreateRoleBinding",
        {"principal": "users/owner@example.org", "role": "roles/owner"},
        "viewer",
    ),
    "26 the last owner": Row(
        "FAILED_PRECONDITION",
        "LAST_OWNER",
        "AccessService/DeleteUser",
        {"name": "users/owner@example.org"},
    ),
    "27 a value, by an owner": Row(
        DENIED,
        "PERMISSION_MISSING",
        "SecretService/AccessSecret",
        {"name": f"{PARENT}/secrets/db-password"},
    ),
    "27 a value, by who may only look": Row(
        DENIED,
        "PERMISSION_MISSING",
        "SecretService/AccessSecret",
        {"name": f"{PARENT}/secrets/db-password"},
        "viewer",
    ),
    "21 nobody's secret": Row(
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        "SecretService/GetSecret",
        {"name": f"{PARENT}/secrets/nobody"},
    ),
    "28 tenants by an owner of one": Row(
        DENIED, "PERMISSION_MISSING", "TenantService/ListTenants", {}, "other"
    ),
}

WIRE: dict[str, Row] = {
    "30 random bytes": Row(INVALID, "INVALID_REQUEST", LIST, b"\xff\xfe\xfd\xfc"),
    "30 a number cut short": Row(INVALID, "INVALID_REQUEST", LIST, b"\x10\xff"),
    "30 a group that doesn't end": Row(INVALID, "INVALID_REQUEST", LIST, b"\x0b"),
    "30 a group that never began": Row(INVALID, "INVALID_REQUEST", LIST, b"\x0c"),
    "30 groups 200 deep": Row(INVALID, "INVALID_REQUEST", LIST, b"\x0b" * 200 + b"\x0c" * 200),
    "33 fields that nobody knows": Row(
        "OK", "", LIST, b"\x0a\x12" + PARENT.encode() + b"\xf8\x7f\x01\xfa\x7f\x01x"
    ),
    "33 a known field of another type": Row(
        "OK", "", LIST, b"\x0a\x12" + PARENT.encode() + b"\x12\x01x"
    ),
    "31 a text that is none": Row(INVALID, "INVALID_REQUEST", LIST, b"\x0a\x02\xff\xfe"),
    "35 300 KB where 256 are taken": Row(
        INVALID, "PAYLOAD_TOO_LARGE", LIST, {"parent": PARENT, "filter": "x" * 300_000}
    ),
    "38 a method that isn't there": Row(
        "UNIMPLEMENTED", "FEATURE_DISABLED", "RunService/FlyRun", b"", connect=False
    ),
    "38 a service that isn't there": Row(
        "UNIMPLEMENTED", "FEATURE_DISABLED", "FlyService/Fly", b"", connect=False
    ),
    "37 18 KB of metadata": Row(
        "RESOURCE_EXHAUSTED",
        "",
        token=lambda wire: (*bearer(wire.owner), ("x-much", "x" * 18_000)),
        connect=False,
    ),
}

VALUES: dict[str, Row] = {
    "50 an id of a path": Row(
        INVALID, "INVALID_REQUEST", "RunService/GetRun", {"name": f"{PARENT}/runs/../../x"}
    ),
    "50 an id in capitals": Row(
        INVALID, "INVALID_REQUEST", "RunService/GetRun", {"name": RUN.upper()}
    ),
    "50 an id in braces": Row(
        INVALID, "INVALID_REQUEST", "RunService/GetRun", {"name": f"{PARENT}/runs/{{x}}"}
    ),
    "50 no id": Row(INVALID, "INVALID_REQUEST", "RunService/GetRun", {"name": ""}),
    "50 a workspace of a path": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/../default"}
    ),
    "50 a workspace of look-alikes": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/def\N{CYRILLIC SMALL LETTER A}ult"}
    ),
    "50 a workspace with a line feed": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/default\n"}
    ),
    "50 a workspace of %2e": Row(INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/%2e%2e"}),
    "52 a NUL": Row(INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/a\0b"}),
    "58 SQL for a value": Row(
        "OK",
        "",
        LIST,
        {"parent": PARENT, "filter": 'display_name = "\'; DROP TABLE run;--"'},
        holds=lambda answer: len(answer.runs) == 0,
    ),
    "59 a filter of an unknown field": Row(
        INVALID, "INVALID_FILTER", LIST, {"parent": PARENT, "filter": "tenant_id = 1"}
    ),
    "59 a filter that is SQL": Row(
        INVALID, "INVALID_FILTER", LIST, {"parent": PARENT, "filter": "1=1; DROP TABLE run"}
    ),
    "59 a filter of 5 KB": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": PARENT, "filter": "x" * 5000}
    ),
    "59 a filter 200 deep": Row(
        INVALID, "INVALID_FILTER", LIST, {"parent": PARENT, "filter": "(" * 200 + ")" * 200}
    ),
    "60 an order of SQL": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": PARENT, "order_by": "id; select"}
    ),
    "61 less than a page": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": PARENT, "page_size": -1}
    ),
    "61 a million to a page": Row("OK", "", LIST, {"parent": PARENT, "page_size": 1_000_000}),
    "62 a page of nobody's": Row(
        INVALID, "INVALID_PAGE_TOKEN", LIST, {"parent": PARENT, "page_token": "AAAA"}
    ),
    "62 a page of another question": Row(
        INVALID,
        "INVALID_PAGE_TOKEN",
        "AccessService/ListUsers",
        lambda wire: {
            "page_token": wire.ask(
                wire.owner, "AccessService/ListRoles", page_size=1
            ).next_page_token
        },
    ),
    "62 a page of another tenant's": Row(
        INVALID,
        "INVALID_PAGE_TOKEN",
        "AccessService/ListRoles",
        lambda wire: {
            "page_token": wire.ask(
                wire.other, "AccessService/ListRoles", page_size=1
            ).next_page_token
        },
    ),
    "62 a watch of another's token": Row(
        INVALID,
        "RESUME_TOKEN_INVALID",
        "RunService/WatchRuns",
        lambda wire: {
            "parent": PARENT,
            "resume_token": wire.ask(wire.other, LIST, parent=PARENT).resume_token,
        },
        connect=False,
    ),
    "75 what another tenant has committed": Row(
        INVALID,
        "INVALID_REQUEST",
        "RunService/GetRun",
        lambda wire: {"name": f"{PARENT}/runs/{wire.run_id}", "consistency_token": "AAAA"},
    ),
    "55 a secret of 65 KB": Row(
        INVALID,
        "INVALID_REQUEST",
        "SecretService/CreateSecret",
        {"parent": PARENT, "secret_id": "large", "secret": {"value": CANARY.encode() * 9000}},
    ),
    "50 a secret of a path": Row(
        INVALID, "INVALID_REQUEST", "SecretService/GetSecret", {"name": f"{PARENT}/secrets/../x"}
    ),
    "70 an update of what is the service's": Row(
        INVALID,
        "INVALID_REQUEST",
        "SecretService/UpdateSecret",
        {
            "secret": {"name": f"{PARENT}/secrets/x", "value": b"x"},
            "update_mask": {"paths": ["setter"]},
        },
    ),
    "56 too many updates": Row(
        INVALID,
        "STREAM_PROTOCOL",
        "IngestService/RecordUpdates",
        lambda _: recording(
            PRODUCER, 1, *(transition(str(uuid4())) for _ in range(1001))
        ).SerializeToString(),
    ),
    "56 no updates": Row(
        INVALID,
        "STREAM_PROTOCOL",
        "IngestService/RecordUpdates",
        lambda _: recording(PRODUCER, 1).SerializeToString(),
    ),
    "50 a producer that is no id": Row(
        INVALID,
        "INVALID_REQUEST",
        "IngestService/RecordUpdates",
        lambda _: update(producer_id="../x"),
    ),
    "75 a gap": Row(
        "OUT_OF_RANGE",
        "SEQUENCE_GAP",
        "IngestService/RecordUpdates",
        lambda _: recording(str(uuid4()), 7, transition(str(uuid4()))).SerializeToString(),
    ),
    "21 a producer of nobody's": Row(
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        "IngestService/GetProducer",
        {"workspace": PARENT, "producer_id": str(uuid4())},
    ),
    "77 a workspace twice": Row(
        "ALREADY_EXISTS",
        "RESOURCE_EXISTS",
        "AccessService/CreateWorkspace",
        {"workspace_id": "default"},
    ),
    "52 a name of 300 characters": Row(
        INVALID,
        "INVALID_REQUEST",
        "AccessService/CreateWorkspace",
        {"workspace_id": "fine", "display_name": "x" * 300},
    ),
    "78 a run that goes on": Row(
        "FAILED_PRECONDITION",
        "RESOURCE_IN_USE",
        "RunService/DeleteRun",
        lambda wire: {"name": f"{PARENT}/runs/{wire.run_id}"},
    ),
}
ROWS = {**CREDENTIALS, **AUTHORIZATION, **WIRE, **VALUES}


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    database: Path = tmp_path_factory.mktemp("wire") / "towpath.db"
    made = asyncio.run(switch_on(database, WANTED, "owner@example.org"))
    assert made is not None
    with open_edge(database, WANTED) as edge, edge.channel() as channel:
        found = Wire(edge, made.api_key, channel=channel)
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
    body = _message(method, api_key=key).SerializeToString()
    answer = wire.grpc(method, body, ())
    token: str = _type(method, answer=True).FromString(answer.told).access_token
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


@pytest.mark.parametrize("name", ROWS)
def test_it_is_refused_as_it_should_be_and_nothing_changes(wire: Wire, name: str) -> None:
    row = ROWS[name]
    before = wire.seen or wire.state()
    body = row.body(wire) if callable(row.body) else row.body
    if not isinstance(body, bytes):
        fields = {"parent": PARENT} if body is None else body
        body = _message(row.method, **fields).SerializeToString()
    metadata = row.token(wire) if callable(row.token) else bearer(getattr(wire, row.token))
    ways = [wire.grpc, wire.connect] if row.connect and not _is_stream(row.method) else [wire.grpc]
    for way in ways:
        answer = way(row.method, body, metadata)
        assert (answer.code, answer.reason) == (row.code, row.reason), (way.__name__, answer)
        if row.code == "OK":
            assert row.holds(_type(row.method, answer=True).FromString(answer.told)), way.__name__
        told = answer.told.decode("latin-1")
        assert not [secret for secret in NOT_TOLD if secret in told], answer
        assert wire.owner_key.split("_")[2] not in told
        assert row.code == "OK" or wire.other_run_id not in told or wire.other_run_id in str(body)
    wire.seen = wire.state()
    assert wire.seen == before


def test_every_rpc_asks_who_calls_over_both_wires(wire: Wire) -> None:
    for method in sorted(set(all_methods()) - PUBLIC):
        body = _message(method).SerializeToString()
        if method == "IngestService/StreamUpdates":
            continue  # Of both ways: unit/rpc.
        ways = [wire.grpc] if _is_stream(method) else [wire.grpc, wire.connect]
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
            body = _message(f"RunService/{method}", name=f"{PARENT}/runs/{run_id}")
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
    wire.seen = ""
    return run_id


@pytest.mark.parametrize("method", [LIST, "LogService/WriteLogs"])
def test_json_is_not_parsed_for_nobody(wire: Wire, method: str) -> None:
    reply = wire.edge.http(f"/{API}.{method}", b"{", content_type="application/json")
    assert (reply.status, reply.json["code"]) == (401, "unauthenticated")


def test_after_twenty_wrong_keys_an_address_waits(wire: Wire) -> None:
    method = "AuthService/ExchangeToken"
    body = _message(method, api_key=KEY_TEXT).SerializeToString()
    answers = [wire.grpc(method, body, ()) for _ in range(30)]
    assert answers[-1].code == "RESOURCE_EXHAUSTED"
    assert answers[-1].reason == "QUOTA_EXCEEDED"
    # Whoever has a token goes on, and whoever has a key gets one.
    assert wire.ask(wire.owner, LIST, parent=PARENT) is not None
    right = _message(method, api_key=wire.owner_key).SerializeToString()
    assert [way(method, right, ()).code for way in (wire.grpc, wire.connect)] == ["OK", "OK"]


def _type(method: str, *, answer: bool = False) -> Any:
    service, _, name = method.partition("/")
    found = Default().FindServiceByName(f"{API}.{service}").methods_by_name[name]
    return message_factory.GetMessageClass(found.output_type if answer else found.input_type)


def _message(method: str, **fields: Any) -> Any:
    return _type(method)(**fields)


def _is_stream(method: str) -> bool:
    return "/Watch" in method or "/Tail" in method


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
