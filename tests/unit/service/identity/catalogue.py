"""The catalogue of bad input: calls, and how each is refused."""

from __future__ import annotations

from uuid import uuid4

from towpath_auth.credentials import new_api_key, new_signing_key

from tests.in_process.producing import recording, transition
from tests.unit.auth.foreign_tokens import signed
from tests.unit.auth.test_verifier import ATTACKS
from tests.unit.service.identity.bad_values import VALUES
from tests.unit.service.identity.bad_work import WORK
from tests.unit.service.identity.refusals import (
    DENIED,
    INVALID,
    KEY_TEXT,
    NOW,
    UNAUTHENTICATED,
    Row,
    from_the_future,
    said,
    trust,
    update,
)
from tests.unit.service.identity.wire import LIST, PARENT, RUN, bearer

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
        token=lambda wire: bearer(wire.forged(**from_the_future())),
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
        {"trust_id": "t", "trust": trust(jwks_uri="http://169.254.169.254/keys")},
    ),
    "a trust in everybody of an issuer": Row(
        INVALID,
        "INVALID_REQUEST",
        "AccessService/CreateTrust",
        {"trust_id": "t", "trust": trust(rules=[])},
    ),
    "a trust with a path for an id": Row(
        INVALID,
        "INVALID_REQUEST",
        "AccessService/CreateTrust",
        {"trust_id": "../t", "trust": trust()},
    ),
    "25 a trust of whoever may make none": Row(
        "PERMISSION_DENIED",
        "PERMISSION_MISSING",
        "AccessService/CreateTrust",
        {"trust_id": "t", "trust": trust()},
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

ROWS = {**CREDENTIALS, **AUTHORIZATION, **WIRE, **VALUES, **WORK}
