"""Tenants of more members, and installations of more tenants, than one page of them holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath_auth import LOCAL_TENANT_ID
from towpath_service.app.identity.bootstrap import recover_owner
from towpath_service.identity.domain.principals import Binding, Principal, Tenant, new_id

from tests.in_process.place import SEALING, Place, open_place

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.ports.store import Identity, Installation

MANY = 600
OWNER = "users/owner@example.org"


async def crowd(place: Place) -> None:
    """Adds members whose addresses come before the owner's."""

    def work(identity: Identity) -> None:
        for number in range(MANY):
            user = Principal(
                principal_id=new_id(),
                kind="user",
                handle=f"aaa-{number:04}@example.org",
                display_name="",
                created_us=1,
            )
            identity.principals.add(user)
            identity.bindings.add(
                Binding(
                    principal_id=user.principal_id,
                    role_id="member",
                    workspace_id="",
                    created_by="system",
                    created_us=1,
                )
            )

    await place.service.stores.identity.tenant(LOCAL_TENANT_ID, work)


async def listed(place: Place, method: str, collection: str, **fields: Any) -> list[Any]:
    """All of a list, page by page."""
    found: list[Any] = []
    token = ""
    while True:
        page = await place.call(place.owner, method, page_token=token, page_size=250, **fields)
        assert len(getattr(page, collection)) <= 250
        found += getattr(page, collection)
        token = page.next_page_token
        if not token:
            return found


async def test_somebody_leaves_a_tenant_of_many(place: Place) -> None:
    await crowd(place)
    name, _ = await place.user("admin")
    await place.call(
        place.owner, "AccessService/DeleteRoleBinding", principal=name, role="roles/admin"
    )
    await place.call(place.owner, "AccessService/DeleteUser", name=name)
    await place.call(place.owner, "AccessService/DeleteUser", name="users/aaa-0001@example.org")
    refusal = await place.refusal(
        place.owner, "AccessService/DeleteRoleBinding", principal=OWNER, role="roles/owner"
    )
    assert refusal.reason == "LAST_OWNER"


async def test_all_of_many_members_and_their_roles_are_listed_once(place: Place) -> None:
    await crowd(place)
    names = [user.name for user in await listed(place, "AccessService/ListUsers", "users")]
    assert names == sorted(set(names))
    assert len(names) == MANY + 1
    assert OWNER in names
    held = await listed(place, "AccessService/ListRoleBindings", "role_bindings")
    pairs = [(binding.principal, binding.role) for binding in held]
    assert len(set(pairs)) == len(pairs) == MANY + 2
    assert pairs[-2:] == [(OWNER, "roles/owner"), (OWNER, "roles/platform-admin")]
    own = await listed(place, "AccessService/ListRoleBindings", "role_bindings", principal=OWNER)
    assert [binding.role for binding in own] == ["roles/owner", "roles/platform-admin"]
    nobody = {"principal": "users/nobody@example.org"}
    assert not await listed(place, "AccessService/ListRoleBindings", "role_bindings", **nobody)


async def test_an_owner_of_many_gets_a_key_with_the_database_at_hand(
    either: Path | PostgresUrl,
) -> None:
    async with open_place(either) as place:
        await crowd(place)
        again = await recover_owner(either, SEALING)
        assert again.owner.name == OWNER
        assert await place.token(again.api_key)


async def test_all_of_many_tenants_are_listed_once(small: Place) -> None:
    def work(installation: Installation) -> None:
        for number in range(MANY):
            installation.tenants.add(
                Tenant(tenant_id=new_id(), slug=f"t-{number:04}", display_name="", created_us=1)
            )

    await small.service.stores.identity.installation(work)
    tenants = await listed(small, "TenantService/ListTenants", "tenants")
    names = [tenant.name for tenant in tenants]
    assert names == ["tenants/main", *(f"tenants/t-{number:04}" for number in range(MANY))]
