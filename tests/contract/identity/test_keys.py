from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from towpath_service.app.identity.bootstrap import enable_identity, make_owner_key, recover_owner
from towpath_service.app.identity.key_rotation import reseal_keys
from towpath_service.app.identity.key_sources import file_source
from towpath_service.app.identity.secret_keys import sealing_of
from towpath_service.app.identity.wiring import open_identity
from towpath_service.app.stores import open_stores
from towpath_service.app.wiring import open_service
from towpath_service.core.clock import SystemClock
from towpath_service.core.errors import ServiceError

from tests.in_process.place import OPTIONS, SEALER, SEALING, Place

if TYPE_CHECKING:
    from pathlib import Path


DAY = 86_400


async def test_a_key_becomes_a_token_that_says_whose_it_is(place: Place) -> None:
    answer = await place.call(None, "AuthService/ExchangeToken", api_key=place.owner_key)
    assert answer.expires_in.seconds == 600
    assert answer.actor.principal == "users/owner@example.org"
    assert place.owner_key not in str(answer)
    who = await place.call(answer.access_token, "AuthService/GetCaller")
    assert who.actor == answer.actor
    assert who.credential_id == place.owner_key.split("_")[1]
    assert (who.tenant, who.tenant_id) == ("tenants/main", answer.tenant_id)
    assert [grant.workspace for grant in who.workspace_grants] == ["workspaces/default"]
    assert "run.read" in who.workspace_grants[0].permissions


async def test_only_the_whole_key_is_exchanged(place: Place) -> None:
    kind, key_id, secret = place.owner_key.split("_")
    last = "0" if secret[-1] != "0" else "1"
    for wrong in ("", "x", f"{kind}_{key_id}_{secret[:-1]}{last}", place.owner_key.lower()):
        refusal = await place.refusal(None, "AuthService/ExchangeToken", api_key=wrong)
        assert refusal.reason in {"CREDENTIAL_INVALID", "INVALID_REQUEST"}
        assert key_id not in refusal.message


async def test_no_key_can_be_planted_or_read_in_the_database(place: Place) -> None:
    kept = await place.service.stores.identity.tenant(
        "00000000-0000-7000-8000-000000000001",
        lambda identity: identity.keys.find(place.owner_key.split("_")[1]),
    )
    assert kept is not None
    secret = place.owner_key.split("_")[2]
    assert secret not in str([getattr(kept[0], name) for name in kept[0].__slots__])
    assert len(kept[0].digest) == 64


async def test_a_token_can_be_limited_to_less_than_its_key(place: Place) -> None:
    token = await place.token(place.owner_key, "run.read", "tenant.read")
    who = await place.call(token, "AuthService/GetCaller")
    assert list(who.tenant_permissions) == ["tenant.read"]
    assert list(who.workspace_grants[0].permissions) == ["run.read"]
    refusal = await place.refusal(token, "AccessService/ListUsers")
    assert refusal.reason == "PERMISSION_MISSING"


async def test_a_caller_is_told_when_its_key_ends(place: Place) -> None:
    made = await place.call(place.owner, "AccessService/CreateApiKey", life={"seconds": 3600})
    who = await place.call(await place.token(made.key), "AuthService/GetCaller")
    assert who.credential_expire_time == made.api_key.expire_time


async def test_a_limited_key_makes_no_key_that_is_less_limited(place: Place) -> None:
    limits = {"permissions": ["key.own", "run.read"], "workspaces": ["workspaces/default"]}
    made = await place.call(place.owner, "AccessService/CreateApiKey", limits=limits)
    token = await place.token(made.key)
    for more in ({}, {"permissions": ["run.read"]}, {**limits, "permissions": ["run.delete"]}):
        refusal = await place.refusal(token, "AccessService/CreateApiKey", limits=more)
        assert refusal.reason == "PERMISSION_MISSING"
    again = await place.call(token, "AccessService/CreateApiKey", limits=limits)
    assert again.key


async def test_a_key_is_listed_without_itself_and_with_when_it_was_used(place: Place) -> None:
    name, key = await place.account("runner")
    before = await place.call(place.owner, "AccessService/ListApiKeys", parent=name)
    assert not before.api_keys[0].HasField("use_time")
    await place.token(key)
    after = await place.call(place.owner, "AccessService/ListApiKeys", parent=name)
    assert after.api_keys[0].HasField("use_time")
    assert key.split("_")[2] not in str(after)
    assert after.api_keys[0].creator == "users/owner@example.org"
    life = after.api_keys[0].expire_time.seconds - after.api_keys[0].create_time.seconds
    assert life == 90 * DAY


async def test_a_rotated_key_holds_on_for_a_while_and_then_no_more(place: Place) -> None:
    name, key = await place.account("runner")
    old_id = key.split("_")[1]
    made = await place.call(
        place.owner, "AccessService/RotateApiKey", name=f"{name}/apiKeys/{old_id}"
    )
    assert await place.token(key)
    assert await place.token(made.key)
    keys = {
        item.key_id: item
        for item in (
            await place.call(place.owner, "AccessService/ListApiKeys", parent=name)
        ).api_keys
    }
    assert keys[old_id].replaced_by == made.api_key.key_id
    assert 0 < keys[old_id].expire_time.seconds - time.time() <= DAY
    now = await place.call(
        await place.token(made.key),
        "AccessService/RotateApiKey",
        name=made.api_key.key_id,
        overlap=Duration(),
    )
    refusal = await place.refusal(None, "AuthService/ExchangeToken", api_key=made.key)
    assert refusal.reason == "CREDENTIAL_REVOKED"
    assert await place.token(now.key)


async def test_successors_of_successors_hold_as_long_as_the_first_key_was_made_to(
    place: Place,
) -> None:
    _, key = await place.account("runner")
    for _ in range(3):
        answer = await place.call(place.owner, "AccessService/RotateApiKey", name=key.split("_")[1])
        key = answer.key
        life = answer.api_key.expire_time.seconds - answer.api_key.create_time.seconds
        assert life == 90 * DAY


async def expiries(place: Place, token: str) -> list[int]:
    """When the caller's keys end, newest first: seconds since the Unix epoch, 0 for never."""
    keys = await place.call(token, "AccessService/ListApiKeys")
    return [key.expire_time.seconds for key in keys.api_keys]


async def test_first_keys_end_and_say_when(place: Place) -> None:
    made = await place.call(
        place.owner, "TenantService/CreateTenant", tenant_id="acme", owner_email="eve@acme.test"
    )
    end = made.owner_api_key_expire_time.seconds
    assert abs(end - time.time() - 90 * DAY) < 600
    assert await expiries(place, await place.token(made.owner_api_key)) == [end]
    user = await place.call(
        place.owner, "AccessService/CreateUser", email="bob@example.org", with_api_key=True
    )
    assert abs(user.api_key_expire_time.seconds - time.time() - 90 * DAY) < 600
    assert all(await expiries(place, place.owner))
    nobody = await place.call(place.owner, "AccessService/CreateUser", email="eve@example.org")
    assert not nobody.HasField("api_key_expire_time")


@pytest.mark.parametrize("endless", [True, False])
async def test_a_key_without_end_is_followed_by_one_where_the_operator_may_have_it(
    tmp_path: Path, *, endless: bool
) -> None:
    database = tmp_path / "towpath.db"
    options = replace(OPTIONS, cloud=not endless)
    made = await enable_identity(database, SEALING, "owner@example.org", key_seconds=None)
    assert made is not None
    assert made.expires_us is None
    async with open_service(database, identity=options, sealing=SEALING) as service:
        place = Place(service, made.api_key)
        place.owner = await place.token(made.api_key)
        assert await expiries(place, place.owner) == [0]
        answer = await place.call(
            place.owner, "AccessService/RotateApiKey", name=made.api_key.split("_")[1]
        )
        assert answer.api_key.HasField("expire_time") is not endless
        # Tenants made by earlier versions have such keys, too.
        tenant_id, other = await place.tenant()
        key_id = (await place.call(other, "AuthService/GetCaller")).credential_id
        await service.stores.identity.tenant(
            tenant_id, lambda identity: identity.keys.change(key_id, expires_us=None)
        )
        theirs = await place.call(other, "AccessService/RotateApiKey", name=key_id)
        assert abs(theirs.api_key.expire_time.seconds - time.time() - 90 * DAY) < 600


async def test_a_key_of_somebody_else_is_as_if_it_werent_there(place: Place) -> None:
    _, key = await place.user("developer")
    developer = await place.token(key)
    for method in ("RotateApiKey", "RevokeApiKey"):
        theirs = await place.refusal(
            developer, f"AccessService/{method}", name=place.owner_key.split("_")[1]
        )
        nobodys = await place.refusal(developer, f"AccessService/{method}", name="0" * 16)
        assert theirs.reason == nobodys.reason == "RESOURCE_NOT_FOUND"
    assert await place.token(place.owner_key)


async def test_nobody_has_more_than_ten_keys_that_hold(place: Place) -> None:
    for _ in range(9):
        await place.call(place.owner, "AccessService/CreateApiKey")
    refusal = await place.refusal(place.owner, "AccessService/CreateApiKey")
    assert refusal.reason == "QUOTA_EXCEEDED"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"life": Duration(seconds=366 * DAY)}, "life"),
        ({"life": Duration(seconds=-1)}, "life"),
        ({"life": Duration()}, "life"),
        ({"life": Duration(nanos=999_999_999)}, "life"),
        ({"limits": {"permissions": ["run.fly"]}}, "run.fly"),
        ({"limits": {"workspaces": ["team-a"]}}, "workspaces"),
        ({"display_name": "x" * 256}, "display_name"),
        ({"parent": "robots/r2"}, "parent"),
    ],
)
async def test_a_key_that_cant_be_is_refused(
    small: Place, fields: dict[str, Any], said: str
) -> None:
    refusal = await small.refusal(small.owner, "AccessService/CreateApiKey", **fields)
    assert refusal.reason == "INVALID_REQUEST"
    assert said in refusal.message


async def test_who_has_lost_their_keys_gets_one_of_an_administrator(place: Place) -> None:
    name, lost = await place.user("developer")
    admin_name, key = await place.user("admin")
    admin = await place.token(key)
    made = await place.call(admin, "AccessService/CreateApiKey", parent=name)
    assert made.key.startswith("twpu_")
    assert made.api_key.creator == admin_name
    who = await place.call(await place.token(made.key), "AuthService/GetCaller")
    assert who.actor.principal == name
    assert await place.token(lost)
    log = await place.call(place.owner, "AccessService/ListAuditEntries")
    entry = log.audit_entries[0]
    assert (entry.actor, entry.action, entry.resource) == (admin_name, "key.create", name)
    assert made.key.split("_")[2] not in str(log)
    gone = await place.refusal(
        admin, "AccessService/CreateApiKey", parent="users/nobody@example.org"
    )
    assert gone.reason == "RESOURCE_NOT_FOUND"


async def test_nobody_makes_a_key_for_who_may_more_than_they(place: Place) -> None:
    owner, _ = await place.user("owner")
    admin, key = await place.user("admin")
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    await place.call(
        place.owner,
        "AccessService/CreateRole",
        role_id="door",
        permissions=["member.manage", "member.read", "key.own"],
    )
    _, at_the_door = await place.user("door")
    reader, _ = await place.user("viewer", "team-a")
    limits = {"permissions": ["member.manage", "key.own"]}
    token = await place.token(key)
    limited = await place.call(token, "AccessService/CreateApiKey", limits=limits)
    developer, other = await place.user("developer")
    cases = {
        "an administrator for an owner": (key, owner),
        "an administrator for the operator": (key, "users/owner@example.org"),
        "who lets people in for an administrator": (at_the_door, admin),
        "who lets people in for a reader": (at_the_door, reader),
        "a limited key for its own owner's peer": (limited.key, admin),
        "a developer for a developer": (other, (await place.user("developer"))[0]),
        "a developer for nobody": (other, "users/nobody@example.org"),
    }
    for case, (whose, parent) in cases.items():
        refusal = await place.refusal(
            await place.token(whose), "AccessService/CreateApiKey", parent=parent
        )
        assert refusal.reason == "PERMISSION_MISSING", case
    # An owner may, for another owner too.
    for parent in (owner, developer):
        assert (await place.call(place.owner, "AccessService/CreateApiKey", parent=parent)).key


async def test_a_limited_key_makes_none_that_is_less_limited_for_others_either(
    small: Place,
) -> None:
    name, _ = await small.user("member")
    limits = {"permissions": ["member.manage", "tenant.read", "member.read", "key.own"]}
    made = await small.call(small.owner, "AccessService/CreateApiKey", limits=limits)
    token = await small.token(made.key)
    refusal = await small.refusal(token, "AccessService/CreateApiKey", parent=name)
    assert refusal.reason == "PERMISSION_MISSING"
    same = await small.call(token, "AccessService/CreateApiKey", parent=name, limits=limits)
    assert list(same.api_key.limits.permissions) == sorted(limits["permissions"])


async def test_a_key_for_an_account_that_may_more_is_refused(small: Place) -> None:
    name, _ = await small.account("owner")
    _, key = await small.user("admin")
    refusal = await small.refusal(await small.token(key), "AccessService/CreateApiKey", parent=name)
    assert refusal.reason == "PERMISSION_MISSING"


async def test_secrets_sealed_anew_open_with_the_new_key_only(tmp_path: Path) -> None:
    database = tmp_path / "towpath.db"
    first = sealing_of(tmp_path, None)
    following = sealing_of(tmp_path, file_source(tmp_path / "new.key"))
    made = await enable_identity(database, first, "owner@example.org")
    assert made is not None
    assert await enable_identity(database, first, "other@example.org") is None
    assert await reseal_keys(database, first, following) == 3
    async with open_service(database, identity=OPTIONS, sealing=following) as service:
        assert await Place(service, "").token(made.api_key)
    with pytest.raises(ServiceError) as raised:
        async with open_service(database, identity=OPTIONS, sealing=first):
            pass
    assert raised.value.reason == "KEY_UNUSABLE"
    assert made.api_key.encode() not in database.read_bytes()


async def test_who_has_lost_all_keys_gets_one_with_the_database_at_hand(tmp_path: Path) -> None:
    database = tmp_path / "towpath.db"
    with pytest.raises(ServiceError) as raised:
        await recover_owner(database, SEALING)
    assert raised.value.reason == "IDENTITY_MISSING"
    made = await enable_identity(database, SEALING, "owner@example.org")
    again = await recover_owner(database, SEALING)
    assert made is not None
    assert again.api_key != made.api_key
    async with open_service(database, identity=OPTIONS, sealing=SEALING) as service:
        assert await Place(service, "").token(again.api_key)


async def test_identity_isnt_put_together_without_its_keys(tmp_path: Path) -> None:
    async with open_stores(tmp_path / "towpath.db") as stores:
        clock: Any = SystemClock()
        nothing: Any = None
        with pytest.raises(ServiceError) as raised:
            await open_identity(stores.identity, clock, SEALER, nothing, nothing, OPTIONS)
        assert raised.value.reason == "IDENTITY_MISSING"
        with pytest.raises(ServiceError):
            await make_owner_key(stores.identity, clock, SEALER)


async def test_a_service_without_identity_says_so(tmp_path: Path) -> None:
    async with open_service(tmp_path / "towpath.db", identity=OPTIONS, sealing=SEALING) as service:
        local = Place(service, "")
        assert service.authority is None
        refusal = await local.refusal(None, "AuthService/ExchangeToken", api_key="x")
        assert refusal.reason == "FEATURE_DISABLED"
        assert "init-auth" in refusal.message
        assert (await local.refusal(None, "TenantService/ListTenants")).reason == "FEATURE_DISABLED"
        who = await local.call(None, "AuthService/GetCaller")
        assert (who.identity, who.actor.principal) == (False, "users/local")
        held = await local.call(None, "AccessService/TestPermissions", permissions=["run.read"])
        assert list(held.permissions) == ["run.read"]
