from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from towpath_auth import (
    BUILT_IN_ROLES,
    PERMISSIONS,
    PLATFORM_PERMISSIONS,
    RUN_PERMISSIONS,
    TENANT_PERMISSIONS,
    WORKSPACE_PERMISSIONS,
    Access,
    Grant,
    Role,
    access_of,
)
from towpath_auth._permissions import MACHINE_PERMISSIONS, MEMBER_PERMISSIONS, NOT_FOR_PEOPLE

if TYPE_CHECKING:
    import pytest

GOLDEN = Path(__file__).with_name("roles.csv")
ABOVE = frozenset(TENANT_PERMISSIONS) | frozenset(PLATFORM_PERMISSIONS)

_roles = st.sampled_from(sorted(BUILT_IN_ROLES)).map(BUILT_IN_ROLES.__getitem__) | st.builds(
    Role,
    role_id=st.just("own"),
    display_name=st.just(""),
    permissions=st.frozensets(st.sampled_from(sorted(PERMISSIONS)), max_size=6),
)
_places = st.sampled_from(["", "a", "b"])
_grants = st.lists(st.builds(Grant, role=_roles, workspace_id=_places), max_size=4)
_scopes = st.none() | st.frozensets(st.sampled_from(sorted(PERMISSIONS)))
_only = st.none() | st.frozensets(st.sampled_from(["a", "b", "c"]))


def test_the_roles_permit_what_people_have_read_and_agreed_to(
    request: pytest.FixtureRequest,
) -> None:
    names = [*BUILT_IN_ROLES, "run"]
    held = {name: role.permissions for name, role in BUILT_IN_ROLES.items()}
    held["run"] = RUN_PERMISSIONS
    rows = [["permission", *names]] + [
        [permission, *("x" if permission in held[name] else "" for name in names)]
        for permission in PERMISSIONS
    ]
    if request.config.getoption("--update-golden"):
        with GOLDEN.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    with GOLDEN.open(newline="") as file:
        assert list(csv.reader(file)) == rows


def everything(access: Access) -> set[tuple[str, str]]:
    """All that is permitted, as (where, what)."""
    found = {("", name) for name in access.tenant}
    return found | {(place, name) for place in "abc" for name in access.in_workspace(place)}


@given(_grants, _scopes, _only)
def test_limits_only_ever_take_away(
    grants: list[Grant], scopes: frozenset[str] | None, only: frozenset[str] | None
) -> None:
    free = access_of(grants)
    bound = access_of(grants, scopes=scopes, only=only)
    assert everything(bound) <= everything(free)
    assert everything(bound.limited(frozenset({"run.read"}))) <= everything(bound)
    for place, name in everything(bound):
        assert scopes is None or name in scopes
        assert only is None or not place or place in only
        assert not place or bound.anywhere(name)


@given(_grants)
def test_no_role_gives_a_person_what_only_programs_are_to_have(grants: list[Grant]) -> None:
    person = everything(access_of(grants, person=True))
    everybody = everything(access_of(grants))
    assert person == {found for found in everybody if found[1] not in NOT_FOR_PEOPLE}
    assert {"secret.use", "work.lease"} == NOT_FOR_PEOPLE


@given(_roles)
def test_a_role_in_a_workspace_is_worth_no_more_in_the_tenant_than_membership(role: Role) -> None:
    access = access_of([Grant(role=role, workspace_id="a")])
    assert access.tenant <= MEMBER_PERMISSIONS
    assert not access.everywhere
    assert access.in_workspace("a") <= frozenset(WORKSPACE_PERMISSIONS)
    assert not access.in_workspace("b")


@given(_grants, _only, _roles, _places)
def test_what_may_be_given_is_had(
    grants: list[Grant], only: frozenset[str] | None, role: Role, place: str
) -> None:
    giver = access_of(grants, only=only)
    if not giver.covers(role, place):
        return
    given_ = access_of([Grant(role=role, workspace_id=place)])
    for where, name in everything(given_):
        if name not in MACHINE_PERMISSIONS and (where or not place):
            assert (where, name) in everything(giver)


def test_permissions_that_nobody_knows_are_worth_nothing() -> None:
    role = Role(role_id="own", display_name="", permissions=frozenset({"run.fly", "run.read"}))
    assert access_of([Grant(role=role)]).everywhere == {"run.read"}


def test_a_permission_of_nowhere_is_had_nowhere() -> None:
    access = access_of([Grant(role=BUILT_IN_ROLES["viewer"], workspace_id="a")])
    assert access.anywhere("run.read")
    assert not access.anywhere("run.delete")
    assert not access_of([]).anywhere("run.read")


def test_an_owner_can_give_every_role_but_that_of_the_operator() -> None:
    owner = access_of([Grant(role=BUILT_IN_ROLES["owner"])])
    covered = {name for name, role in BUILT_IN_ROLES.items() if owner.covers(role, "")}
    assert covered == set(BUILT_IN_ROLES) - {"platform-admin"}
    admin = access_of([Grant(role=BUILT_IN_ROLES["admin"])])
    assert not admin.covers(BUILT_IN_ROLES["owner"], "")


def test_every_permission_is_in_one_place_and_explained() -> None:
    assert not TENANT_PERMISSIONS.keys() & WORKSPACE_PERMISSIONS.keys()
    assert all(text.endswith(".") for text in PERMISSIONS.values())
    assert set().union(*(role.permissions for role in BUILT_IN_ROLES.values())) == set(PERMISSIONS)
    assert not ABOVE & frozenset(WORKSPACE_PERMISSIONS)
