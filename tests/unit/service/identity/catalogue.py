"""The catalogue of bad input: calls, and how each is refused."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from towpath_auth.credentials import new_api_key, new_signing_key

from tests.in_process.producing import creation, recording, transition
from tests.unit.auth.foreign_tokens import signed
from tests.unit.auth.test_verifier import ATTACKS
from tests.unit.service.identity.wire import CANARY, LIST, PARENT, PRODUCER, RUN, Wire, bearer

if TYPE_CHECKING:
    from collections.abc import Callable


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
