"""Secrets of workspaces: who may do what with them, and how they are kept."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from towpath_auth import LOCAL_TENANT_ID
from towpath_service.core.errors import ServiceError
from towpath_service.identity.domain.principals import Binding
from towpath_service.values.domain import secrets as domain

from tests.contract.identity.test_run_tokens import run_token

if TYPE_CHECKING:
    from towpath_service.identity.ports.store import Identity

    from tests.in_process.place import Place

PARENT = "workspaces/default"
NAME = f"{PARENT}/secrets/db-password"
VALUE = b"canary-7f3d9a51c2"


async def create(place: Place, token: str, secret_id: str = "db-password", **more: Any) -> Any:
    answer = await place.call(
        token,
        "SecretService/CreateSecret",
        parent=more.pop("parent", PARENT),
        secret_id=secret_id,
        secret={"value": VALUE, **more},
    )
    return answer.secret


async def update(place: Place, token: str, **fields: Any) -> Any:
    mask = fields.pop("mask", None)
    answer = await place.call(
        token,
        "SecretService/UpdateSecret",
        secret={"name": NAME, **fields},
        update_mask=None if mask is None else {"paths": mask},
    )
    return answer.secret


async def value(place: Place, token: str, name: str = NAME) -> tuple[bytes, int]:
    answer = await place.call(token, "SecretService/AccessSecret", name=name)
    return answer.value, answer.version


async def runner(place: Place, workspace: str = "") -> str:
    _, key = await place.account("runner", workspace)
    return await place.token(key)


async def test_a_runner_reads_what_a_person_has_set(place: Place) -> None:
    made = await create(place, place.owner, description="of the warehouse")
    assert (made.name, made.version, made.value) == (NAME, 1, b"")
    assert made.setter == "users/owner@example.org"
    assert made.create_time.seconds == made.update_time.seconds > 0
    assert await value(place, await runner(place)) == (VALUE, 1)
    found = await place.call(place.owner, "SecretService/GetSecret", name=NAME)
    assert found.secret == made
    listed = await place.call(place.owner, "SecretService/ListSecrets", parent=PARENT)
    assert list(listed.secrets) == [made]


async def test_a_new_value_is_a_new_version_and_a_description_isnt(place: Place) -> None:
    first = await create(place, place.owner, description="old")
    token = await runner(place)
    second = await update(place, place.owner, value=b"other")
    assert (second.version, second.description) == (2, "old")
    assert await value(place, token) == (b"other", 2)
    third = await update(place, place.owner, description="new", etag=second.etag)
    assert (third.version, third.description) == (2, "new")
    cleared = await update(place, place.owner, mask=["description"])
    assert cleared.description == ""
    assert len({secret.etag for secret in (first, second, third, cleared)}) == 4
    assert await value(place, token) == (b"other", 2)


async def test_a_change_of_what_has_changed_is_refused(place: Place) -> None:
    first = await create(place, place.owner)
    await update(place, place.owner, value=b"other")
    stale = {"name": NAME, "value": b"third", "etag": first.etag}
    refusal = await place.refusal(place.owner, "SecretService/UpdateSecret", secret=stale)
    assert refusal.reason == "ETAG_MISMATCH"
    refusal = await place.refusal(
        place.owner, "SecretService/DeleteSecret", name=NAME, etag=first.etag
    )
    assert refusal.reason == "ETAG_MISMATCH"
    assert await value(place, await runner(place)) == (b"other", 2)


async def test_changes_at_once_come_one_after_the_other(place: Place) -> None:
    made = await create(place, place.owner)
    changes = [update(place, place.owner, value=b"v%d" % number) for number in range(4)]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    done = [found for found in outcomes if not isinstance(found, BaseException)]
    # Whoever met the others again and again was told to try again; none was lost.
    assert {getattr(found, "reason", "") for found in outcomes} <= {"", "OVERLOADED"}
    last, version = await value(place, await runner(place))
    assert version == made.version + len(done) > 1
    assert last.startswith(b"v")


async def test_a_secret_that_is_gone_is_gone_and_another_may_have_its_name(place: Place) -> None:
    made = await create(place, place.owner)
    token = await runner(place)
    await place.call(place.owner, "SecretService/DeleteSecret", name=NAME, etag=made.etag)
    for method in ("AccessSecret", "GetSecret", "DeleteSecret"):
        by = token if method == "AccessSecret" else place.owner
        refusal = await place.refusal(by, f"SecretService/{method}", name=NAME)
        assert refusal.reason == "RESOURCE_NOT_FOUND", method
    again = await create(place, place.owner)
    assert (again.version, again.etag != made.etag) == (1, True)


async def test_nobody_reads_a_value_but_runs_and_runners(place: Place) -> None:
    await create(place, place.owner)
    run_id = await place.run(place.owner)
    of_run, _ = await run_token(place, run_id)
    assert await value(place, of_run) == (VALUE, 1)
    tokens = {"owner": place.owner}
    for role in ("admin", "developer", "operator", "viewer", "runner"):
        _, key = await place.user(role)
        tokens[role] = await place.token(key)
    for role in ("deployer", "worker"):
        _, key = await place.account(role)
        tokens[role] = await place.token(key)
    for role, token in tokens.items():
        refusal = await place.refusal(token, "SecretService/AccessSecret", name=NAME)
        assert refusal.reason == "PERMISSION_MISSING", role


async def test_a_person_gets_no_value_by_any_role(place: Place) -> None:
    """Not even by one made for it, which a service account may have."""
    await create(place, place.owner)
    await place.call(
        place.owner,
        "AccessService/CreateRole",
        role_id="peeper",
        permissions=["secret.read", "secret.use"],
    )
    _, key = await place.user("peeper")
    token = await place.token(key)
    refusal = await place.refusal(token, "SecretService/AccessSecret", name=NAME)
    assert refusal.reason == "PERMISSION_MISSING"
    _, key = await place.account("peeper")
    assert await value(place, await place.token(key)) == (VALUE, 1)


async def test_a_person_gets_no_value_by_a_runs_token(place: Place) -> None:
    await create(place, place.owner)
    run = f"{PARENT}/runs/{await place.run(place.owner)}"
    name, key = await place.user("workspace-admin", "default")
    person = await place.token(key)
    refusal = await place.refusal(
        person,
        "AccessService/CreateRoleBinding",
        principal=name,
        role="roles/worker",
        workspace=PARENT,
    )
    assert refusal.reason == "INVALID_REQUEST"
    # Earlier versions let people have it.
    await bind(place, name, "worker")
    fields = {"run": run, "attempt": 1, "lease_id": run.rpartition("/")[2]}
    refusal = await place.refusal(person, "AuthService/IssueRunToken", **fields)
    assert refusal.reason == "PERMISSION_MISSING"


async def bind(place: Place, user: str, role_id: str) -> None:
    """Gives a user a role, whatever it is."""

    def work(identity: Identity) -> None:
        found = identity.principals.find("user", user.removeprefix("users/"))
        assert found is not None
        identity.tenant.touch()
        identity.bindings.add(
            Binding(
                principal_id=found.principal_id,
                role_id=role_id,
                workspace_id="",
                created_by="system",
                created_us=1,
            )
        )

    await place.service.stores.identity.tenant(LOCAL_TENANT_ID, work)
    await place.authority.forget(LOCAL_TENANT_ID)


async def test_a_run_reads_secrets_of_its_own_workspace_only(place: Place) -> None:
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    await create(place, place.owner, parent="workspaces/team-a")
    of_run, _ = await run_token(place, await place.run(place.owner))
    theirs = "workspaces/team-a/secrets/db-password"
    refusal = await place.refusal(of_run, "SecretService/AccessSecret", name=theirs)
    assert refusal.reason == "PERMISSION_MISSING"
    for method in ("GetSecret", "DeleteSecret"):
        refusal = await place.refusal(of_run, f"SecretService/{method}", name=NAME)
        assert refusal.reason == "PERMISSION_MISSING", method
    assert await value(place, await runner(place, "team-a"), theirs) == (VALUE, 1)


async def test_a_workspace_with_secrets_isnt_deleted(place: Place) -> None:
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    await create(place, place.owner, parent="workspaces/team-a")
    gone = {"name": "workspaces/team-a"}
    refusal = await place.refusal(place.owner, "AccessService/DeleteWorkspace", **gone)
    assert refusal.reason == "RESOURCE_IN_USE"
    theirs = "workspaces/team-a/secrets/db-password"
    await place.call(place.owner, "SecretService/DeleteSecret", name=theirs)
    await place.call(place.owner, "AccessService/DeleteWorkspace", **gone)


async def test_a_workspace_has_so_many_secrets_and_no_more(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert domain.MOST_SECRETS == 1000
    monkeypatch.setattr("towpath_service.values.application.secrets.MOST_SECRETS", 3)
    attempts = [create(place, place.owner, f"s-{number}") for number in range(5)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    reasons = [getattr(found, "reason", "") for found in outcomes]
    assert sorted(reasons) == ["", "", "", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"]
    listed = await place.call(place.owner, "SecretService/ListSecrets", parent=PARENT, page_size=2)
    assert len(listed.secrets) == 2
    rest = await place.call(
        place.owner,
        "SecretService/ListSecrets",
        parent=PARENT,
        page_token=listed.next_page_token,
    )
    assert len(rest.secrets) == 1
    assert not rest.next_page_token


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "no value": ("CreateSecret", {"secret": {"description": "x"}}, "INVALID_REQUEST"),
    "nothing": ("CreateSecret", {}, "INVALID_REQUEST"),
    "a value too large": ("CreateSecret", {"secret": {"value": b"x" * 65_537}}, "INVALID_REQUEST"),
    "an id of a path": (
        "CreateSecret",
        {"secret_id": "../x", "secret": {"value": b"x"}},
        "INVALID_REQUEST",
    ),
    "an id in capitals": (
        "CreateSecret",
        {"secret_id": "Password", "secret": {"value": b"x"}},
        "INVALID_REQUEST",
    ),
    "an id with a line feed": (
        "CreateSecret",
        {"secret_id": "x\n", "secret": {"value": b"x"}},
        "INVALID_REQUEST",
    ),
    "an id twice": (
        "CreateSecret",
        {"secret_id": "db-password", "secret": {"value": b"x"}},
        "RESOURCE_EXISTS",
    ),
    "a name of something else": ("GetSecret", {"name": f"{PARENT}/runs/x"}, "INVALID_REQUEST"),
    "a name of a path": ("GetSecret", {"name": f"{PARENT}/secrets/../x"}, "INVALID_REQUEST"),
    "a name of SQL": ("GetSecret", {"name": f"{PARENT}/secrets/'; DROP--"}, "INVALID_REQUEST"),
    "no name": ("GetSecret", {"name": ""}, "INVALID_REQUEST"),
    "nobody's": ("GetSecret", {"name": f"{PARENT}/secrets/nobody"}, "RESOURCE_NOT_FOUND"),
    "a workspace of nobody's": (
        "ListSecrets",
        {"parent": "workspaces/nowhere"},
        "RESOURCE_NOT_FOUND",
    ),
    "less than a page": ("ListSecrets", {"parent": PARENT, "page_size": -1}, "INVALID_REQUEST"),
    "a page of nobody's": (
        "ListSecrets",
        {"parent": PARENT, "page_token": "AAAA"},
        "INVALID_PAGE_TOKEN",
    ),
    "an update of nothing": ("UpdateSecret", {"secret": {"name": NAME}}, "INVALID_REQUEST"),
    "an update to nothing": (
        "UpdateSecret",
        {"secret": {"name": NAME}, "update_mask": {"paths": ["value"]}},
        "INVALID_REQUEST",
    ),
    "an update of what is the service's": (
        "UpdateSecret",
        {"secret": {"name": NAME, "version": 7}, "update_mask": {"paths": ["version"]}},
        "INVALID_REQUEST",
    ),
    "an update of nobody's": (
        "UpdateSecret",
        {"secret": {"name": f"{PARENT}/secrets/nobody", "value": b"x"}},
        "RESOURCE_NOT_FOUND",
    ),
    "an etag of nobody's": (
        "UpdateSecret",
        {"secret": {"name": NAME, "value": b"x", "etag": "x"}},
        "ETAG_MISMATCH",
    ),
}


async def test_bad_input_is_refused_and_changes_nothing(place: Place) -> None:
    made = await create(place, place.owner)
    for name, (method, fields, reason) in BAD.items():
        given = {**fields}
        if method == "CreateSecret":
            given = {"parent": PARENT, "secret_id": "new", **given}
        refusal = await place.refusal(place.owner, f"SecretService/{method}", **given)
        assert refusal.reason == reason, name
    listed = await place.call(place.owner, "SecretService/ListSecrets", parent=PARENT)
    assert list(listed.secrets) == [made]


async def test_a_value_of_64_kib_of_any_bytes_comes_back(place: Place) -> None:
    largest = bytes(range(256)) * 256
    await create(place, place.owner, value=largest)
    assert await value(place, await runner(place)) == (largest, 1)


async def test_values_are_in_no_audit_log_no_error_and_no_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = await runner(place)
    await create(place, place.owner)
    await update(place, place.owner, value=VALUE + b"2")
    await value(place, token)
    told = [
        await place.refusal(place.owner, "SecretService/AccessSecret", name=NAME),
        await place.refusal(
            place.owner,
            "SecretService/CreateSecret",
            parent=PARENT,
            secret_id="Bad",
            secret={"value": VALUE * 9000},
        ),
        await place.refusal(
            place.owner,
            "SecretService/CreateSecret",
            parent=PARENT,
            secret_id="db-password",
            secret={"value": VALUE},
        ),
    ]
    await place.call(place.owner, "SecretService/DeleteSecret", name=NAME)
    audit = await place.call(place.owner, "AccessService/ListAuditEntries", page_size=1000)
    actions = [entry.action for entry in audit.audit_entries if "secret." in entry.action]
    assert actions == [
        *("secret.delete", "secret.create", "secret.create", "secret.use", "secret.use"),
        *("secret.update", "secret.create"),
    ]
    assert audit.head_sealed
    shown = f"{told} {audit} {caplog.text}"
    for spelling in (VALUE, base64.b64encode(VALUE)[:-4]):
        assert spelling.decode() not in shown
    used = next(
        entry
        for entry in audit.audit_entries
        if (entry.action, entry.outcome) == ("secret.use", "OK")
    )
    assert json.loads(used.request_json) == {"name": NAME}
    assert used.resource == NAME


async def test_an_idle_key_of_a_run_uses_nothing_after_its_worker_is_gone(place: Place) -> None:
    await create(place, place.owner)
    of_run, key = await run_token(place, await place.run(place.owner))
    await place.call(place.owner, "AccessService/RevokeApiKey", name=key.split("_")[1])
    with pytest.raises(ServiceError) as raised:
        await value(place, of_run)
    assert raised.value.reason == "CREDENTIAL_REVOKED"
