"""Every rpc with every role, without a token, with an old one and with another tenant's.

What is expected follows from roles.csv, which people read, and from the contract's options; not
from the tables of the code.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from towpath.api.v1 import access_rule_pb2
from towpath_service.core.errors import ServiceError

from tests.contract.identity.test_run_tokens import run_token
from tests.contract.identity.two_tenants import comparable
from tests.contract.identity.value_requests import value_requests
from tests.contract.identity.work_requests import make_work, work_is_there, work_request
from tests.in_process.place import API, Place, all_methods, open_place
from tests.in_process.producing import RUNNING, batch, transition

if TYPE_CHECKING:
    from towpath_service.database.postgres_url import PostgresUrl

ROLES = Path(__file__).parents[2] / "unit/auth/roles.csv"
METHODS = all_methods()
# Whoever may not look, at all: the contract's own comments say who they are for.
PUBLIC = {
    "AuthService/ExchangeToken",
    "AuthService/GetJwks",
    "AuthService/GetSignInOptions",
    "AuthService/StartDeviceSignIn",
    "ServerService/GetServerInfo",
    "ServerService/GetTransitionTable",
}
OF_ONESELF = {
    "AccessService/CreateApiKey",
    "AccessService/ListApiKeys",
    "AccessService/ListWorkspaces",
    "AccessService/RevokeApiKey",
    "AccessService/RotateApiKey",
    "AccessService/TestPermissions",
    "AuthService/GetCaller",
    "AuthService/SignOut",
}
# Services whose every change is audited.
CHANGING = {
    "AccessService",
    "DeploymentService",
    "SecretService",
    "TenantService",
    "VariableService",
    "WorkService",
}
# They ask for more than their permission: nobody gives what they lack.
GIVING = {f"AccessService/{name}" for name in ("CreateRole", "CreateRoleBinding")}

TRUST = {
    "issuer": "https://issuer.example",
    "audiences": ["towpath"],
    "service_account": "serviceAccounts/nobody",
    "rules": [{"path": "sub", "value": "x"}],
}


def held(*, of_runs: bool = False) -> dict[str, set[str]]:
    """Permissions by role, as people have read them; or those of a run's token."""
    with ROLES.open(newline="") as file:
        rows = list(csv.DictReader(file))
    roles = [name for name in rows[0] if name != "permission" and (name == "run") is of_runs]
    return {role: {row["permission"] for row in rows if row[role]} for role in roles}


def rule(method: str) -> Any:
    service, _, name = method.partition("/")
    found = descriptor_pool.Default().FindServiceByName(f"{API}.{service}")
    return found.methods_by_name[name].GetOptions().Extensions[access_rule_pb2.access_rule]


def filled(method: str, *, workspace: str = "default", run_id: str = "") -> dict[str, Any]:
    """A request that is well formed, and names what isn't there."""
    run_id = run_id or str(uuid4())
    run = f"workspaces/{workspace}/runs/{run_id}"
    named: dict[str, Any] = {
        "name": run,
        "names": [run],
        "run": run,
        "parent": f"workspaces/{workspace}",
        "workspace": f"workspaces/{workspace}",
        "producer_id": "01a208de-61b7-71d9-86a7-000000000077",
        "workspace_id": f"w-{uuid4().hex[:6]}",
        "email": f"{uuid4().hex[:6]}@example.org",
        "owner_email": "o@example.org",
        "tenant_id": f"t-{uuid4().hex[:6]}",
        "service_account_id": f"s-{uuid4().hex[:6]}",
        "principal": "users/nobody@example.org",
        "role_id": f"r-{uuid4().hex[:6]}",
        "trust_id": f"i-{uuid4().hex[:6]}",
        "user_code": "BCDF-GHJK",
        "secret_id": f"x-{uuid4().hex[:6]}",
        "variable_id": f"x-{uuid4().hex[:6]}",
        "attempt": 1,
    }
    special: dict[str, dict[str, Any]] = {
        "AccessService/CreateApiKey": {"parent": "serviceAccounts/nobody"},
        "AccessService/ListApiKeys": {"parent": ""},
        "AccessService/DeleteUser": {"name": "users/nobody@example.org"},
        "AccessService/DeleteServiceAccount": {"name": "serviceAccounts/nobody"},
        "AccessService/DeleteWorkspace": {"name": "workspaces/nowhere"},
        "AccessService/DeleteRole": {"name": "roles/nothing"},
        "AccessService/CreateTrust": {"trust": TRUST},
        "AccessService/DeleteTrust": {"name": "trusts/nothing"},
        "AccessService/RotateApiKey": {"name": "0" * 16},
        "AccessService/RevokeApiKey": {"name": "0" * 16},
        "AccessService/CreateRole": {"permissions": ["run.read"]},
        "AccessService/CreateRoleBinding": {"role": "roles/member"},
        "AccessService/DeleteRoleBinding": {"role": "roles/member"},
        "AccessService/CreateUser": {"role": "roles/member", "workspace": ""},
        "AccessService/CreateServiceAccount": {"role": "", "workspace": ""},
        "LogService/ListLogs": {"parent": run},
        "LogService/TailLogs": {"parent": run},
        "RunService/ListRunTransitions": {"parent": run},
        "RunService/ListRunDecisions": {"parent": run},
        "RunService/AggregateRuns": {"time_range": {"start_time": {"seconds": 1}}},
        "AuthService/ExchangeToken": {"api_key": "x"},
        **value_requests(workspace, run_id),
    }
    service, _, name = method.partition("/")
    if method == "IngestService/StreamUpdates":
        return {"open": {"workspace": named["workspace"], "producer_id": named["producer_id"]}}
    if method == "WorkService/AttachWorker":
        return work_request(method, workspace, run_id)
    if service == "TenantService" and name != "CreateTenant":
        named["name"] = "tenants/nobody"
    found = descriptor_pool.Default().FindServiceByName(f"{API}.{service}")
    fields = found.methods_by_name[name].input_type.fields_by_name
    known = {
        key: value
        for key, value in named.items()
        if key in fields and fields[key].type != FieldDescriptor.TYPE_MESSAGE
    } | special.get(method, work_request(method, workspace, run_id))
    if "batch" in fields:
        known["batch"] = {"first_sequence": 1, "updates": [{"run_id": run_id}]}
    return known


async def reason(place: Place, token: str | None, method: str, **changes: Any) -> str:
    """Why a call is refused; empty when it isn't."""
    try:
        await place.first(token, method, **{**filled(method), **changes})
    except ServiceError as error:
        return error.reason
    return ""


def test_every_rpc_says_who_may_call_it() -> None:
    said = {method: rule(method) for method in METHODS}
    assert {m for m, r in said.items() if r.level == access_rule_pb2.ACCESS_LEVEL_PUBLIC} == PUBLIC
    own = {m for m, r in said.items() if r.level == access_rule_pb2.ACCESS_LEVEL_AUTHENTICATED}
    assert own == OF_ONESELF
    with ROLES.open(newline="") as file:
        known = {row["permission"] for row in csv.DictReader(file)}
    for method, found in said.items():
        if method not in PUBLIC | OF_ONESELF:
            assert found.level == access_rule_pb2.ACCESS_LEVEL_PERMISSION, method
            assert found.permission in known, method
        assert found.cost, method
    assert len(METHODS) >= 61


def test_every_rpc_that_changes_something_of_these_services_is_audited() -> None:
    changes = {
        method
        for method in METHODS
        if method.split("/")[0] in CHANGING
        and not method.split("/")[1].startswith(("List", "Get", "Test", "Preview"))
    }
    others = {
        "BackfillService/CancelBackfill",
        "BackfillService/CreateBackfill",
        "LimitService/DeleteLimit",
        "LimitService/EndHolder",
        "LimitService/SetLimit",
        "RunService/CancelRun",
        "RunService/CreateRun",
        "RunService/DeleteRun",
        "RunService/PauseRun",
        "RunService/ResumeRun",
        "RunService/RetryRun",
        "RunService/SendRunInput",
        "AuthService/SignOut",
        "AuthService/ApproveDeviceSignIn",
        "AuthService/IssueRunToken",
    }
    assert {m for m in METHODS if rule(m).audit} == changes | others


@pytest.mark.parametrize("role", sorted(held()))
async def test_a_role_may_call_what_its_permissions_say(small: Place, role: str) -> None:
    permitted = held()[role]
    token = small.owner
    if role != "owner":
        # Some calls are for people only, and some for programs.
        made = small.user if "key.own" in permitted else small.account
        _, key = await made(role)
        token = await small.token(key)
    wrong: list[str] = []
    for method in METHODS:
        if method in PUBLIC | OF_ONESELF:
            continue
        asked = rule(method).permission
        allowed = asked in (permitted | (held()["platform-admin"] if role == "owner" else set()))
        found = await reason(small, token, method)
        if allowed and found == "PERMISSION_MISSING" and method in GIVING:
            # Who may give roles may still give none that they lack.
            continue
        if (found != "PERMISSION_MISSING") is not allowed:
            wrong.append(f"{method} wants {asked}: {found or 'OK'}")
        assert found not in {"INTERNAL", "CREDENTIAL_REVOKED"}, method
    assert wrong == []


async def test_a_runs_token_may_call_what_its_permissions_say(small: Place) -> None:
    permitted = held(of_runs=True)["run"]
    run_id = await small.run(small.owner)
    token, _ = await run_token(small, run_id)
    wrong = [
        f"{method}: {found or 'OK'}"
        for method in METHODS
        if method not in PUBLIC
        and (found := await reason(small, token, method))
        and (found == "PERMISSION_MISSING") is (rule(method).permission in permitted)
        and method not in OF_ONESELF
    ]
    assert wrong == []
    called = {method for method in METHODS if rule(method).permission in permitted}
    assert len(called) >= 4


async def test_who_has_a_role_in_one_workspace_has_nothing_in_another(small: Place) -> None:
    await small.call(small.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    _, key = await small.account("workspace-admin", "team-a")
    token = await small.token(key)
    checked = 0
    for method in METHODS:
        asked = rule(method)
        if not asked.workspace_field or asked.permission not in held()["workspace-admin"]:
            continue
        checked += 1
        assert await reason(small, token, method) == "PERMISSION_MISSING", method
        there = await reason(small, token, method, **filled(method, workspace="team-a"))
        assert there != "INTERNAL"
        assert there != "PERMISSION_MISSING" or method in GIVING, method
    assert checked >= 22


CREDENTIALS = ("none", "expired", "revoked", "of a key without scopes", "of nobody")


@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_without_a_token_that_holds_nothing_can_be_called(
    small: Place, credential: str
) -> None:
    now = int(time.time())
    token: str | None = small.owner
    expected = {"CREDENTIAL_REVOKED"}
    if credential == "none":
        token, expected = None, {"CREDENTIAL_MISSING"}
    elif credential == "expired":
        token = small.forged(small.owner, issued_at=now - 700, expires_at=now - 61)
        expected = {"CREDENTIAL_EXPIRED"}
    elif credential == "revoked":
        name, key = await small.account("admin")
        token = await small.token(key)
        key_id = key.split("_")[1]
        await small.call(small.owner, "AccessService/RevokeApiKey", name=f"{name}/apiKeys/{key_id}")
    elif credential == "of nobody":
        token = small.forged(small.owner, principal=f"users/{uuid4()}")
    else:
        made = await small.call(
            small.owner,
            "AccessService/CreateApiKey",
            limits={"permissions": ["tenant.read"]},
        )
        token, expected = await small.token(made.key), {"PERMISSION_MISSING"}
    wrong = [
        f"{method}: {found or 'OK'}"
        for method in METHODS
        if method not in PUBLIC | (OF_ONESELF if credential.startswith("of a key") else set())
        and (found := await reason(small, token, method)) not in expected
    ]
    assert wrong == []


async def test_what_anybody_may_call_needs_no_token(small: Place) -> None:
    for method in PUBLIC - {"AuthService/ExchangeToken"}:
        assert await reason(small, None, method) == ""
    assert await reason(small, None, "AuthService/ExchangeToken") == "CREDENTIAL_INVALID"


async def test_another_tenants_owner_meets_nothing_of_the_first(
    either: Path | PostgresUrl,
) -> None:
    async with open_place(either) as place:
        run_id = await place.run(place.owner)
        theirs = await _made(place, run_id)
        # Of the same length, so that nothing else differs.
        nobodys = {kind: _another(name) for kind, name in theirs.items()}
        nobodys["key"] = f"{nobodys['account']}/apiKeys/{nobodys['key'].rpartition('/')[2]}"
        # Two tenants alike: one asks for what there is, the other for what there isn't.
        others = [(await place.tenant())[1] for _ in range(2)]
        wrong: list[str] = []
        checked: set[str] = set()
        for method in METHODS:
            if method in PUBLIC or method.startswith("TenantService/"):
                continue
            asked = [_asking(method, named) for named in (theirs, nobodys)]
            if asked[0] != asked[1]:
                checked.add(method)
            answers = [
                _blanked(await _outcome(place, other, method, fields), named)
                for other, fields, named in zip(others, asked, (theirs, nobodys), strict=True)
            ]
            if answers[0] != answers[1]:
                wrong.append(f"{method}: {answers[0]} for theirs, {answers[1]} for nobody's")
        assert wrong == []
        assert len(checked) >= 30
        # All of it is as it was.
        assert await _made_is_there(place, theirs)


async def _made(place: Place, run_id: str) -> dict[str, str]:
    """Things of the first tenant, by what names them in requests."""
    user, _ = await place.user("viewer")
    account, key = await place.account("runner")
    role, space, trust = f"r-{uuid4().hex[:6]}", f"w-{uuid4().hex[:6]}", f"i-{uuid4().hex[:6]}"
    for method, fields in {
        "CreateRole": {"role_id": role, "permissions": ["run.read"]},
        "CreateWorkspace": {"workspace_id": space},
        "CreateTrust": {"trust_id": trust, "trust": {**TRUST, "service_account": account}},
    }.items():
        await place.call(place.owner, f"AccessService/{method}", **fields)
    await place.call(
        place.owner,
        "SecretService/CreateSecret",
        parent="workspaces/default",
        secret_id=run_id,
        secret={"value": b"x"},
    )
    await place.call(
        place.owner,
        "VariableService/CreateVariable",
        parent="workspaces/default",
        variable_id=run_id,
        variable={"value_json": "1"},
    )
    await make_work(place, run_id)
    return {
        "run": run_id,
        "user": user,
        "account": account,
        "key": f"{account}/apiKeys/{key.split('_')[1]}",
        "role": f"roles/{role}",
        "space": f"workspaces/{space}",
        "trust": f"trusts/{trust}",
    }


def _another(name: str) -> str:
    """A name that nobody has, as long as one that somebody has."""
    if name.count("-") == 4:
        return str(uuid4())
    head, _, last = name.rpartition("/")
    if name.startswith("users/"):
        head, last = "users", last[::-1].replace("@", "-").replace(".", "-")
        return f"{head}/{last[:-10]}@none.test"
    return f"{head}/{last[::-1]}"


def _asking(method: str, named: dict[str, str]) -> dict[str, Any]:
    """A request that names what there may be wherever it names anything."""
    fields = filled(method, run_id=named["run"])
    instead: dict[str, dict[str, Any]] = {
        "CreateApiKey": {"parent": named["account"]},
        "ListApiKeys": {"parent": named["account"]},
        "DeleteUser": {"name": named["user"]},
        "DeleteServiceAccount": {"name": named["account"]},
        "DeleteWorkspace": {"name": named["space"]},
        "DeleteRole": {"name": named["role"]},
        "DeleteTrust": {"name": named["trust"]},
        "RotateApiKey": {"name": named["key"]},
        "RevokeApiKey": {"name": named["key"]},
        "CreateRoleBinding": {"principal": named["user"], "role": named["role"]},
        "DeleteRoleBinding": {"principal": named["user"], "role": named["role"]},
        "ListRoleBindings": {"principal": named["user"]},
        "CreateUser": {"workspace": named["space"], "email": "x@example.org"},
        "CreateServiceAccount": {"workspace": named["space"], "service_account_id": "same"},
        "CreateTrust": {
            "trust_id": "same",
            "trust": {**TRUST, "service_account": named["account"]},
        },
        "CreateRole": {"role_id": named["role"].removeprefix("roles/")},
        "CreateWorkspace": {"workspace_id": named["space"].removeprefix("workspaces/")},
        "CreateSecret": {"secret_id": "same"},
        "CreateVariable": {"variable_id": "same"},
        "TestPermissions": {"workspace": named["space"]},
        "RecordUpdates": {
            "batch": batch(1, transition(named["run"])),
            "producer_id": named["run"],
        },
    }
    return {**fields, **instead.get(method.partition("/")[2], {})}


def _blanked(answer: str, named: dict[str, str]) -> str:
    known = {*named.values(), *(name.rpartition("/")[2] for name in named.values())}
    for name in sorted(known, key=len, reverse=True):
        answer = answer.replace(name, "NAME")
    return comparable(answer)


async def _made_is_there(place: Place, named: dict[str, str]) -> bool:
    """Whether the first tenant has all that was made for it."""
    listed = [
        str(await place.call(place.owner, f"AccessService/List{kind}"))
        for kind in ("Users", "ServiceAccounts", "Roles", "Workspaces", "Trusts")
    ]
    run = f"workspaces/default/runs/{named['run']}"
    keys = await place.call(place.owner, "AccessService/ListApiKeys", parent=named["account"])
    found = await place.call(place.owner, "RunService/GetRun", name=run)
    known = "".join([*listed, str(keys), str(found)])
    return all(name.rpartition("/")[2] in known for name in named.values()) and (
        found.run.state == RUNNING
        and await work_is_there(place, named["run"])
        and not keys.api_keys[0].HasField("revoke_time")
    )


async def _outcome(place: Place, token: str, method: str, fields: dict[str, Any]) -> str:
    """How a call ends, to the word."""
    try:
        return f"OK {await place.first(token, method, **fields)}"
    except ServiceError as error:
        return f"{error.reason} {error.message} {dict(error.metadata)}"
