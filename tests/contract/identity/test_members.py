from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from towpath.api.v1 import tenant_service_pb2
from towpath_auth import LOCAL_TENANT_ID
from towpath_service.app.identity.bootstrap import recover_owner
from towpath_service.core.errors import ServiceError
from towpath_service.identity.domain.principals import Principal, Tenant, new_id

from tests.in_process.place import SEALING, open_place

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.ports.store import Identity, Installation

    from tests.in_process.place import Place


async def test_a_tenant_keeps_an_owner(place: Place) -> None:
    me = "users/owner@example.org"
    for method, fields in (
        ("DeleteUser", {"name": me}),
        ("DeleteRoleBinding", {"principal": me, "role": "roles/owner"}),
    ):
        refusal = await place.refusal(place.owner, f"AccessService/{method}", **fields)
        assert refusal.reason == "LAST_OWNER"
    name, key = await place.user("owner")
    second = await place.token(key)
    refusal = await place.refusal(second, "AccessService/DeleteUser", name=me)
    # The first one operates the installation, which the second couldn't let anybody do.
    assert refusal.reason == "PERMISSION_MISSING"
    await place.call(
        *(place.owner, "AccessService/CreateRoleBinding"),
        principal=name,
        role="roles/platform-admin",
    )
    await place.call(second, "AccessService/DeleteUser", name=me)
    assert (await place.refusal(place.owner, "AuthService/GetCaller")).reason == (
        "CREDENTIAL_REVOKED"
    )
    users = await place.call(second, "AccessService/ListUsers")
    assert [user.name for user in users.users] == [name]


async def test_nobody_gives_what_they_lack(place: Place) -> None:
    _, key = await place.user("admin")
    admin = await place.token(key)
    for fields in (
        {"email": "x@example.org", "role": "roles/owner"},
        {"email": "x@example.org", "role": "roles/platform-admin"},
    ):
        refusal = await place.refusal(admin, "AccessService/CreateUser", **fields)
        assert refusal.reason == "PERMISSION_MISSING"
    refusal = await place.refusal(admin, "AccessService/DeleteUser", name="users/owner@example.org")
    assert refusal.reason == "PERMISSION_MISSING"
    refusal = await place.refusal(
        admin, "AccessService/CreateRole", role_id="mine", permissions=["owner.grant"]
    )
    assert refusal.reason == "PERMISSION_MISSING"
    users = await place.call(place.owner, "AccessService/ListUsers")
    assert len(users.users) == 2


async def test_a_role_of_ones_own_permits_what_is_in_it(place: Place) -> None:
    await place.call(
        place.owner,
        "AccessService/CreateRole",
        role_id="watcher",
        permissions=["run.read", "tenant.read"],
    )
    roles = await place.call(place.owner, "AccessService/ListRoles")
    assert "roles/watcher" in {role.name for role in roles.roles if not role.built_in}
    _, key = await place.account("watcher")
    who = await place.call(await place.token(key), "AuthService/GetCaller")
    assert list(who.workspace_grants[0].permissions) == ["run.read"]
    assert list(who.tenant_permissions) == ["tenant.read"]
    refusal = await place.refusal(place.owner, "AccessService/DeleteRole", name="roles/watcher")
    assert refusal.reason == "RESOURCE_IN_USE"


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a workspace twice": (
        "CreateWorkspace",
        {"workspace_id": "default"},
        "RESOURCE_EXISTS",
    ),
    "a workspace in capitals": ("CreateWorkspace", {"workspace_id": "Team"}, "INVALID_REQUEST"),
    "a workspace of a path": ("CreateWorkspace", {"workspace_id": "../x"}, "INVALID_REQUEST"),
    "a workspace of look-alikes": (
        "CreateWorkspace",
        {"workspace_id": "te\N{CYRILLIC SMALL LETTER A}m"},
        "INVALID_REQUEST",
    ),
    "a workspace with a line feed": (
        "CreateWorkspace",
        {"workspace_id": "team\n"},
        "INVALID_REQUEST",
    ),
    "no workspace to delete": (
        "DeleteWorkspace",
        {"name": "workspaces/nowhere"},
        "RESOURCE_NOT_FOUND",
    ),
    "a user twice": ("CreateUser", {"email": "OWNER@example.org"}, "RESOURCE_EXISTS"),
    "a user without an address": ("CreateUser", {"email": "eve"}, "INVALID_REQUEST"),
    "a user of a path": ("CreateUser", {"email": "a/../b@example.org"}, "INVALID_REQUEST"),
    "a user of no role": (
        "CreateUser",
        {"email": "eve@example.org", "role": "roles/nothing"},
        "RESOURCE_NOT_FOUND",
    ),
    "a user of nowhere": (
        "CreateUser",
        {"email": "eve@example.org", "workspace": "workspaces/nowhere"},
        "RESOURCE_NOT_FOUND",
    ),
    "no user to delete": ("DeleteUser", {"name": "users/x@example.org"}, "RESOURCE_NOT_FOUND"),
    "a user by the name of an account": (
        "DeleteUser",
        {"name": "serviceAccounts/x"},
        "RESOURCE_NOT_FOUND",
    ),
    "an account of a path": (
        "CreateServiceAccount",
        {"service_account_id": "a/b"},
        "INVALID_REQUEST",
    ),
    "a role that is built in": (
        "CreateRole",
        {"role_id": "owner", "permissions": ["run.read"]},
        "RESOURCE_EXISTS",
    ),
    "a role of no permissions": ("CreateRole", {"role_id": "mine"}, "INVALID_REQUEST"),
    "a role of unknown permissions": (
        "CreateRole",
        {"role_id": "mine", "permissions": ["run.fly"]},
        "INVALID_REQUEST",
    ),
    "a role of the operator's permissions": (
        "CreateRole",
        {"role_id": "mine", "permissions": ["platform.manage"]},
        "INVALID_REQUEST",
    ),
    "a built-in role to delete": ("DeleteRole", {"name": "roles/owner"}, "RESOURCE_IN_USE"),
    "no role to delete": ("DeleteRole", {"name": "roles/nothing"}, "RESOURCE_NOT_FOUND"),
    "a role for nobody": (
        "CreateRoleBinding",
        {"principal": "users/x@example.org", "role": "roles/viewer"},
        "RESOURCE_NOT_FOUND",
    ),
    "a role that isn't had": (
        "DeleteRoleBinding",
        {"principal": "users/owner@example.org", "role": "roles/viewer"},
        "RESOURCE_NOT_FOUND",
    ),
    "a page of another list": ("ListUsers", {"page_token": "AAAA"}, "INVALID_PAGE_TOKEN"),
    "a page of less than nothing": ("ListUsers", {"page_size": -1}, "INVALID_REQUEST"),
    "an audit page of nonsense": (
        "ListAuditEntries",
        {"page_token": "x" * 40},
        "INVALID_PAGE_TOKEN",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_cant_be_is_refused_and_changes_nothing(small: Place, case: str) -> None:
    method, fields, reason = WRONG[case]
    before = await _state(small)
    refusal = await small.refusal(small.owner, f"AccessService/{method}", **fields)
    assert refusal.reason == reason
    assert await _state(small) == before


async def test_lists_come_in_pages_that_belong_to_their_tenant(place: Place) -> None:
    for _ in range(5):
        await place.account("runner")
    seen: list[str] = []
    token = ""
    while True:
        page = await place.call(
            place.owner, "AccessService/ListServiceAccounts", page_size=2, page_token=token
        )
        seen += [account.name for account in page.service_accounts]
        assert len(page.service_accounts) <= 2
        if not page.next_page_token:
            break
        token = page.next_page_token
    assert len(seen) == len(set(seen)) == 5
    _, other = await place.tenant()
    refusal = await place.refusal(other, "AccessService/ListServiceAccounts", page_token=token)
    assert refusal.reason == "INVALID_PAGE_TOKEN"


async def test_a_workspace_with_runs_isnt_deleted_and_an_empty_one_is(place: Place) -> None:
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    await place.run(place.owner)
    refusal = await place.refusal(
        place.owner, "AccessService/DeleteWorkspace", name="workspaces/default"
    )
    assert refusal.reason == "RESOURCE_IN_USE"
    await place.call(place.owner, "AccessService/DeleteWorkspace", name="workspaces/team-a")
    found = await place.call(place.owner, "AccessService/ListWorkspaces")
    assert [item.name for item in found.workspaces] == ["workspaces/default"]


async def test_a_workspace_that_nobody_made_takes_no_runs(place: Place) -> None:
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    with pytest.raises(
        ServiceError, match="workspaces/typo was not found: you may enter default, team-a"
    ):
        await place.run(place.owner, workspace="typo")


async def test_a_suspended_tenant_can_do_nothing_until_it_is_resumed(place: Place) -> None:
    _, other = await place.tenant("acme")
    await place.call(other, "RunService/ListRuns", parent="workspaces/default")
    await place.call(place.owner, "TenantService/SuspendTenant", name="tenants/acme")
    refusal = await place.refusal(other, "RunService/ListRuns", parent="workspaces/default")
    assert refusal.reason == "TENANT_SUSPENDED"
    await place.call(place.owner, "TenantService/ResumeTenant", name="tenants/acme")
    await place.call(other, "RunService/ListRuns", parent="workspaces/default")
    refusal = await place.refusal(place.owner, "TenantService/SuspendTenant", name="tenants/main")
    assert refusal.reason == "RESOURCE_IN_USE"


async def test_only_the_first_tenants_operator_manages_tenants(place: Place) -> None:
    _, other = await place.tenant("acme")
    refusal = await place.refusal(other, "TenantService/ListTenants")
    assert refusal.reason == "PERMISSION_MISSING"
    roles = await place.call(other, "AccessService/ListRoles")
    assert "roles/platform-admin" not in {role.name for role in roles.roles}
    refusal = await place.refusal(
        other,
        "AccessService/CreateRoleBinding",
        principal="users/owner@other.test",
        role="roles/platform-admin",
    )
    assert refusal.reason == "PERMISSION_MISSING"
    again = await place.refusal(
        place.owner,
        "TenantService/CreateTenant",
        tenant_id="acme",
        owner_email="other@other.test",
    )
    assert again.reason == "RESOURCE_EXISTS"


async def test_more_members_than_a_page_takes_are_all_there(
    either: Path | PostgresUrl,
) -> None:
    async with open_place(either) as place:

        def fill(identity: Identity) -> None:
            for number in range(600):
                person = Principal(
                    principal_id=new_id(),
                    kind="user",
                    handle=f"a-{number:03}@example.org",
                    display_name="",
                    created_us=1,
                )
                identity.principals.add(person)

        await place.service.stores.identity.tenant(LOCAL_TENANT_ID, fill)
        # The owner's name comes after all of theirs, and they are found all the same.
        first = await place.call(place.owner, "AccessService/ListUsers", page_size=500)
        rest = await place.call(
            place.owner, "AccessService/ListUsers", page_size=500, page_token=first.next_page_token
        )
        assert [len(page.users) for page in (first, rest)] == [500, 101]
        bound = await place.call(place.owner, "AccessService/ListRoleBindings")
        assert {binding.principal for binding in bound.role_bindings} == {"users/owner@example.org"}
        await place.call(place.owner, "AccessService/DeleteUser", name="users/a-001@example.org")
        assert (await recover_owner(either, SEALING)).owner.handle == "owner@example.org"


async def test_more_tenants_than_a_page_takes_are_all_there(place: Place) -> None:
    def fill(installation: Installation) -> None:
        for number in range(510):
            made = Tenant(tenant_id=new_id(), slug=f"a-{number:03}", display_name="", created_us=1)
            installation.tenants.add(made)

    await place.service.stores.identity.installation(fill)
    first = await place.call(place.owner, "TenantService/ListTenants", page_size=500)
    rest = await place.call(
        place.owner, "TenantService/ListTenants", page_size=500, page_token=first.next_page_token
    )
    assert rest.tenants[-1].name == "tenants/main"
    assert len(first.tenants) + len(rest.tenants) == 511


async def limits(place: Place, name: str = "tenants/acme") -> dict[str, int]:
    """The limits that a tenant has of its own."""
    found = (await place.call(place.owner, "TenantService/GetTenant", name=name)).tenant
    return {field.name: number for field, number in found.quotas.ListFields()}


async def test_limits_that_arent_named_stay(place: Place) -> None:
    await place.tenant("acme")
    assert await limits(place) == {}
    method, named = "TenantService/SetTenantQuotas", {"name": "tenants/acme"}
    first = {"updates_per_second": 7, "open_streams": 3}
    await place.call(place.owner, method, **named, quotas=first)
    stored = {"quotas": {"stored_bytes": 9}, "update_mask": {"paths": ["stored_bytes"]}}
    answer = await place.call(place.owner, method, **named, **stored)
    assert answer.tenant.quotas.open_streams == 3
    assert await limits(place) == {**first, "stored_bytes": 9}
    # What is named and isn't given is the installation's again; what isn't named isn't taken.
    await place.call(
        place.owner,
        method,
        **named,
        quotas={"stored_bytes": 1},
        update_mask={"paths": ["open_streams"]},
    )
    assert await limits(place) == {"updates_per_second": 7, "stored_bytes": 9}
    await place.call(place.owner, method, **named, quotas={"calls_per_second": 5})
    assert await limits(place) == {"calls_per_second": 5}
    refusal = await place.refusal(
        place.owner, method, **named, update_mask={"paths": ["stored_byte"]}
    )
    assert refusal.reason == "INVALID_REQUEST"
    assert "stored_bytes" in refusal.message
    await place.call(place.owner, "TenantService/SuspendTenant", **named)
    assert await limits(place) == {"calls_per_second": 5}
    refusal = await place.refusal(place.owner, "TenantService/GetTenant", name="tenants/nobody")
    assert refusal.reason == "RESOURCE_NOT_FOUND"


async def test_who_sets_limits_at_the_same_time_undoes_nothing(place: Place) -> None:
    await place.tenant("acme")
    names = [field.name for field in tenant_service_pb2.TenantQuotas.DESCRIPTOR.fields]
    calls = [
        place.call(
            place.owner,
            "TenantService/SetTenantQuotas",
            name="tenants/acme",
            quotas={name: 5},
            update_mask={"paths": [name]},
        )
        for name in names
    ]
    suspension = place.call(place.owner, "TenantService/SuspendTenant", name="tenants/acme")
    await asyncio.gather(*calls, suspension)
    assert await limits(place) == dict.fromkeys(names, 5)
    found = await place.call(place.owner, "TenantService/GetTenant", name="tenants/acme")
    assert found.tenant.state == tenant_service_pb2.TENANT_STATE_SUSPENDED


async def _state(place: Place) -> str:
    """All that can be listed of a tenant, but what tells of looking."""
    answers = [
        await place.call(place.owner, f"AccessService/{name}")
        for name in (
            *("ListWorkspaces", "ListUsers", "ListServiceAccounts"),
            *("ListRoles", "ListRoleBindings"),
        )
    ]
    return "".join(map(str, answers))
