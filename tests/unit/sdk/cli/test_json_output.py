"""`-o json` of the commands is the contract's JSON, whatever the commands are made of."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from google.protobuf import json_format
from towpath.api.v1 import (
    access_service_pb2,
    auth_service_pb2,
    common_pb2,
    secret_service_pb2,
    tenant_service_pb2,
    variable_service_pb2,
)

from tests.unit.sdk.cli.answering import answered

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

AT = 1_795_000_000
ADA = "users/ada@example.org"


def at(moment: Timestamp, micros: int = 0) -> None:
    moment.seconds = AT
    moment.nanos = micros * 1000


def workspace() -> access_service_pb2.Workspace:
    made = access_service_pb2.Workspace(name="workspaces/team-a", display_name="Team A")
    at(made.create_time, 123456)
    return made


def binding() -> access_service_pb2.RoleBinding:
    made = access_service_pb2.RoleBinding(
        role="roles/viewer", principal=ADA, workspace="workspaces/team-a", creator=ADA
    )
    at(made.create_time)
    return made


def account() -> access_service_pb2.ServiceAccount:
    made = access_service_pb2.ServiceAccount(name="serviceAccounts/ci", uid="7", display_name="CI")
    at(made.create_time)
    return made


def role() -> access_service_pb2.Role:
    return access_service_pb2.Role(
        name="roles/viewer", display_name="V", permissions=["run.read"], built_in=True
    )


def key(*, full: bool) -> access_service_pb2.ApiKey:
    made = access_service_pb2.ApiKey(
        name=f"{ADA}/apiKeys/{'A' * 16}",
        key_id="A" * 16,
        limits=access_service_pb2.ApiKeyLimits(),
        creator=ADA,
        kind=access_service_pb2.CREDENTIAL_KIND_API_KEY,
    )
    at(made.create_time)
    if full:
        made.display_name = "laptop"
        made.kind = access_service_pb2.CREDENTIAL_KIND_SIGN_IN
        made.limits.permissions.append("run.read")
        made.limits.workspaces.append("workspaces/team-a")
        made.replaced_by = "B" * 16
        for moment in (made.expire_time, made.use_time, made.revoke_time):
            at(moment)
    return made


def trust(*, people: bool) -> access_service_pb2.Trust:
    made = access_service_pb2.Trust(
        name="trusts/ci",
        issuer="https://ci.example.org",
        audiences=["towpath"],
        algorithms=["RS256"],
        creator=ADA,
    )
    at(made.create_time)
    if people:
        made.users.client_id = "cli"
        made.users.claim = "upn"
        made.users.default_role = "roles/viewer"
        made.users.scopes.append("openid")
    else:
        made.service_account = "serviceAccounts/ci"
        made.jwks_uri = "https://ci.example.org/keys"
        made.jwks = "{}"
        made.rules.add(path="sub", value="repo:acme/etl")
    return made


def entry() -> access_service_pb2.AuditEntry:
    return access_service_pb2.AuditEntry(
        sequence=3,
        record_time_us=AT * 1_000_000 + 5,
        actor=ADA,
        credential_id="A" * 16,
        action="key.revoke",
        method="towpath.api.v1.AccessService/RevokeApiKey",
        resource="B" * 16,
        outcome="OK",
        client_address="192.0.2.7",
        trace_id="0" * 32,
        request_json="{}",
        hash="f" * 64,
    )


def tenant() -> tenant_service_pb2.Tenant:
    made = tenant_service_pb2.Tenant(
        name="tenants/acme",
        uid="7",
        display_name="Acme",
        state=tenant_service_pb2.TENANT_STATE_ACTIVE,
    )
    at(made.create_time)
    made.quotas.updates_per_second = 7
    made.quotas.log_bytes_per_second = 8
    made.quotas.stored_bytes = 10**12
    made.quotas.open_watches = 2
    made.quotas.queued_runs = 50
    return made


def variable() -> variable_service_pb2.Variable:
    made = variable_service_pb2.Variable(
        name="workspaces/default/variables/mark", value_json='{"ä":[1,null]}', tags=["b"], etag="e"
    )
    for time in (made.create_time, made.update_time):
        at(time)
    return made


def secret() -> secret_service_pb2.Secret:
    made = secret_service_pb2.Secret(
        name="workspaces/default/secrets/db", description="d", version=2, setter=ADA, etag="e"
    )
    at(made.create_time)
    at(made.update_time, 1)
    return made


def caller() -> auth_service_pb2.GetCallerResponse:
    made = auth_service_pb2.GetCallerResponse(
        actor=common_pb2.Actor(principal=ADA, kind=common_pb2.ACTOR_KIND_USER, display_name="Ada"),
        tenant="tenants/acme",
        tenant_id="7",
        tenant_display_name="Acme",
        tenant_permissions=["workspace.create"],
        credential_id="A" * 16,
        identity=True,
    )
    made.workspace_grants.add(
        workspace="workspaces/team-a", display_name="Team A", permissions=["run.read"]
    )
    at(made.token_expire_time)
    at(made.credential_expire_time)
    return made


ACCESS = access_service_pb2
LISTS: dict[str, tuple[str, str, Message, list[Message]]] = {
    case: (place, command, answer, items)
    for case, place, command, answer, items in (
        (
            *("workspaces", "workspaces:group", "ls"),
            *(ACCESS.ListWorkspacesResponse(workspaces=[workspace()]), [workspace()]),
        ),
        (
            *("members", "members:group", "ls"),
            *(ACCESS.ListRoleBindingsResponse(role_bindings=[binding()]), [binding()]),
        ),
        (
            *("accounts", "service_accounts:group", "ls"),
            *(ACCESS.ListServiceAccountsResponse(service_accounts=[account()]), [account()]),
        ),
        (
            *("roles", "roles:group", "ls"),
            *(ACCESS.ListRolesResponse(roles=[role()]), [role()]),
        ),
        (
            *("keys", "keys:group", "ls"),
            ACCESS.ListApiKeysResponse(api_keys=[key(full=True), key(full=False)]),
            [key(full=True), key(full=False)],
        ),
        (
            *("trusts", "trusts:group", "ls"),
            ACCESS.ListTrustsResponse(trusts=[trust(people=True), trust(people=False)]),
            [trust(people=True), trust(people=False)],
        ),
        (
            *("audit", "audit:group", "ls"),
            *(ACCESS.ListAuditEntriesResponse(audit_entries=[entry()]), [entry()]),
        ),
        (
            *("tenants", "tenants:group", "ls"),
            *(tenant_service_pb2.ListTenantsResponse(tenants=[tenant()]), [tenant()]),
        ),
        (
            *("usage", "usage:usage", ""),
            ACCESS.GetUsageResponse(
                usage=[ACCESS.Usage(quota="calls", used=5), ACCESS.Usage(quota="streams")]
            ),
            [ACCESS.Usage(quota="calls", used=5), ACCESS.Usage(quota="streams")],
        ),
    )
}


def contract(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def printed(monkeypatch: pytest.MonkeyPatch, place: str, answer: Message, *words: str) -> Any:
    module_name, _, name = place.partition(":")
    folder = "values" if module_name in {"secrets", "variables"} else "identity"
    module = import_module(f"towpath.cli.{folder}.{module_name}")
    answered(monkeypatch, module, lambda *_: answer)
    ended = CliRunner().invoke(getattr(module, name), [*words, "-o", "json"])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


@pytest.mark.parametrize("case", LISTS)
def test_a_list_is_printed_as_the_contract_has_it(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    place, command, answer, items = LISTS[case]
    shown = printed(monkeypatch, place, answer, *command.split())
    assert shown == [contract(item) for item in items]
    assert [list(item) for item in shown] == [list(contract(item)) for item in items]


def test_secrets_are_printed_as_the_contract_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = secret_service_pb2.ListSecretsResponse(secrets=[secret()])
    assert printed(monkeypatch, "secrets:group", listed, "ls") == [contract(secret())]
    found = secret_service_pb2.GetSecretResponse(secret=secret())
    assert printed(monkeypatch, "secrets:group", found, "inspect", "db") == contract(secret())


def test_variables_are_printed_as_the_contract_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = variable_service_pb2.ListVariablesResponse(variables=[variable()])
    assert printed(monkeypatch, "variables:group", listed, "ls") == [contract(variable())]
    found = variable_service_pb2.GetVariableResponse(variable=variable())
    shown = printed(monkeypatch, "variables:group", found, "inspect", "mark")
    assert shown == contract(variable())
    assert printed(monkeypatch, "variables:group", found, "get", "mark") == {"ä": [1, None]}


def test_a_caller_is_printed_as_the_contract_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = printed(monkeypatch, "whoami:whoami", caller())
    assert shown == contract(caller())
    assert list(shown) == list(contract(caller()))


def test_a_new_key_is_printed_with_what_is_kept_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ACCESS.CreateApiKeyResponse(key="the key", api_key=key(full=True))
    shown = printed(monkeypatch, "keys:group", answer, "create")
    assert shown == {"key": "the key", "api_key": contract(key(full=True))}
