"""Nobody comes by rotation to a key that they couldn't make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

if TYPE_CHECKING:
    from tests.in_process.place import Place

ROTATE = "AccessService/RotateApiKey"
WEEK = Duration(seconds=7 * 86_400)


def id_of(key: str) -> str:
    return key.split("_")[1]


async def test_the_key_of_an_account_that_may_more_isnt_rotated(place: Place) -> None:
    _, key = await place.account("owner")
    _, admin_key = await place.user("admin")
    admin = await place.token(admin_key)
    refusal = await place.refusal(admin, ROTATE, name=id_of(key))
    assert refusal.reason == "PERMISSION_MISSING"
    _, key = await place.account("runner")
    assert (await place.call(admin, ROTATE, name=id_of(key))).key


async def test_a_limited_key_rotates_none_that_is_less_limited(place: Place) -> None:
    limits = {"permissions": ["key.own", "run.read"], "workspaces": ["workspaces/default"]}
    made = await place.call(place.owner, "AccessService/CreateApiKey", limits=limits)
    token = await place.token(made.key)
    wider = (
        {"permissions": limits["permissions"]},
        {"workspaces": limits["workspaces"]},
        {**limits, "permissions": ["key.own", "run.delete"]},
    )
    names = [id_of(place.owner_key)]
    for more in wider:
        other = await place.call(place.owner, "AccessService/CreateApiKey", limits=more)
        names.append(other.api_key.key_id)
    for name in names:
        assert (await place.refusal(token, ROTATE, name=name)).reason == "PERMISSION_MISSING"
    again = await place.call(token, ROTATE, name=made.api_key.key_id)
    assert list(again.api_key.limits.permissions) == limits["permissions"]


async def test_a_limited_token_rotates_no_key_that_is_less_limited(place: Place) -> None:
    token = await place.token(place.owner_key, "key.own")
    refusal = await place.refusal(token, ROTATE, name=id_of(place.owner_key))
    assert refusal.reason == "PERMISSION_MISSING"


async def test_a_program_rotates_its_own_key_whatever_its_roles(place: Place) -> None:
    _, key = await place.account("worker")
    made = await place.call(await place.token(key), ROTATE, name=id_of(key))
    assert await place.token(made.key)


async def test_a_key_has_one_successor(place: Place) -> None:
    _, key = await place.account("runner")
    token = await place.token(key)
    made = await place.call(token, ROTATE, name=id_of(key))
    refusal = await place.refusal(token, ROTATE, name=id_of(key))
    assert refusal.reason == "RESOURCE_EXISTS"
    assert made.api_key.name in refusal.message


async def test_rotation_makes_no_more_than_ten_keys_beside_the_one_that_goes(place: Place) -> None:
    _, key = await place.account("runner")
    for _ in range(10):
        key = (await place.call(place.owner, ROTATE, name=id_of(key), overlap=WEEK)).key
    refusal = await place.refusal(place.owner, ROTATE, name=id_of(key), overlap=WEEK)
    assert refusal.reason == "QUOTA_EXCEEDED"


async def test_whoever_has_ten_keys_rotates_them(place: Place) -> None:
    for _ in range(9):
        await place.call(place.owner, "AccessService/CreateApiKey")
    assert (await place.call(place.owner, ROTATE, name=id_of(place.owner_key))).key
