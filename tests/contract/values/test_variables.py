"""Variables of workspaces: what is kept is what is read, and changes at once lose nothing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.core.errors import ServiceError
from towpath_service.values.application import variables as application
from towpath_service.values.domain import variables as domain
from towpath_service.values.rpc import variable_handler

from tests.contract.identity.test_run_tokens import run_token

if TYPE_CHECKING:
    from tests.in_process.place import Place

PARENT = "workspaces/default"
NAME = f"{PARENT}/variables/high_water-mark"


async def create(place: Place, variable_id: str = "high_water-mark", value: Any = 1) -> Any:
    answer = await place.call(
        place.owner,
        "VariableService/CreateVariable",
        parent=PARENT,
        variable_id=variable_id,
        variable={"value_json": json.dumps(value), "tags": ["etl", "a b"]},
    )
    return answer.variable


async def update(place: Place, *, allow_missing: bool = False, **fields: Any) -> Any:
    mask = fields.pop("mask", None)
    answer = await place.call(
        place.owner,
        "VariableService/UpdateVariable",
        variable={"name": NAME, **fields},
        update_mask=None if mask is None else {"paths": mask},
        allow_missing=allow_missing,
    )
    return answer.variable


async def get(place: Place, token: str = "") -> Any:
    found = await place.call(token or place.owner, "VariableService/GetVariable", name=NAME)
    return found.variable


async def test_what_is_set_is_read_and_listed(place: Place) -> None:
    value = {"rows": [1, 2.5, None, True], "text": "line\nä\0"}
    made = await create(place, value=value)
    assert (made.name, json.loads(made.value_json)) == (NAME, value)
    assert list(made.tags) == ["etl", "a b"]
    assert made.create_time.seconds == made.update_time.seconds > 0
    assert await get(place) == made
    listed = await place.call(place.owner, "VariableService/ListVariables", parent=PARENT)
    assert list(listed.variables) == [made]


async def test_a_name_is_given_once_and_again_after_its_end(place: Place) -> None:
    made = await create(place)
    refusal = await place.refusal(
        place.owner,
        "VariableService/CreateVariable",
        parent=PARENT,
        variable_id="high_water-mark",
        variable={"value_json": "2"},
    )
    assert refusal.reason == "RESOURCE_EXISTS"
    assert (await get(place)).value_json == "1"
    await place.call(place.owner, "VariableService/DeleteVariable", name=NAME, etag=made.etag)
    for method in ("GetVariable", "DeleteVariable"):
        refusal = await place.refusal(place.owner, f"VariableService/{method}", name=NAME)
        assert refusal.reason == "RESOURCE_NOT_FOUND", method
    assert (await create(place)).etag != made.etag


async def test_a_change_leaves_what_it_does_not_name(place: Place) -> None:
    first = await create(place)
    second = await update(place, value_json='"new"')
    assert (second.value_json, list(second.tags)) == ('"new"', ["etl", "a b"])
    third = await update(place, mask=["tags"], etag=second.etag)
    assert (third.value_json, list(third.tags)) == ('"new"', [])
    assert third.create_time == first.create_time
    assert len({first.etag, second.etag, third.etag}) == 3
    refusal = await place.refusal(
        place.owner, "VariableService/UpdateVariable", variable={"name": NAME}
    )
    assert refusal.reason == "INVALID_REQUEST"


async def test_a_change_creates_only_where_it_says_so(place: Place) -> None:
    for fields in ({}, {"etag": "x"}):
        with pytest.raises(ServiceError) as raised:
            await update(place, value_json="1", allow_missing=bool(fields), **fields)
        assert raised.value.reason == "RESOURCE_NOT_FOUND"
    made = await update(place, value_json="1", tags=["x"], allow_missing=True)
    assert await get(place) == made


async def test_a_change_of_what_has_changed_is_refused(place: Place) -> None:
    first = await create(place)
    await update(place, value_json="2")
    for method, fields in {
        "UpdateVariable": {"variable": {"name": NAME, "value_json": "3", "etag": first.etag}},
        "DeleteVariable": {"name": NAME, "etag": first.etag},
    }.items():
        refusal = await place.refusal(place.owner, f"VariableService/{method}", **fields)
        assert refusal.reason == "ETAG_MISMATCH", method
    assert (await get(place)).value_json == "2"


async def test_of_changes_at_once_by_one_etag_one_is_made(place: Place) -> None:
    # Each opens a connection, which takes longer than a change.
    await asyncio.gather(*(create(place, f"other-{n}") for n in range(4)))
    made = await create(place)
    changes = [update(place, value_json=str(n), etag=made.etag) for n in range(2, 10)]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    done = [found for found in outcomes if not isinstance(found, BaseException)]
    assert len(done) == 1
    assert {getattr(found, "reason", "ETAG_MISMATCH") for found in outcomes} == {"ETAG_MISMATCH"}
    assert (await get(place)).value_json == done[0].value_json


async def test_of_creations_at_once_one_is_made(place: Place) -> None:
    changes = [update(place, value_json=str(n), allow_missing=True) for n in range(4)]
    made = await asyncio.gather(*changes)
    last = await get(place)
    # Each was made upon the one before: none took another's place unseen.
    assert max(variable.etag for variable in made) == last.etag
    assert len({variable.etag.partition(".")[0] for variable in made}) == 1


@pytest.mark.parametrize(
    "value_json", ["", "{", "NaN", "-Infinity", "[" * 20_000, "'a'", "1 2", '"\n"']
)
async def test_what_is_not_json_is_refused(place: Place, value_json: str) -> None:
    refusal = await place.refusal(
        place.owner,
        "VariableService/CreateVariable",
        parent=PARENT,
        variable_id="x",
        variable={"value_json": value_json},
    )
    assert [violation.field for violation in refusal.violations] == ["variable.value_json"]


async def test_a_value_has_a_largest_size(place: Place) -> None:
    kept = await update(place, value_json=f'"{"x" * 65_534}"', allow_missing=True)
    assert len(kept.value_json) == 65_536
    with pytest.raises(ServiceError, match="value_json"):
        await update(place, value_json=f'"{"x" * 65_535}"')


async def test_a_workspace_has_a_largest_number(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "MOST_VARIABLES", 2)
    await create(place, "a")
    await create(place, "b")
    with pytest.raises(ServiceError, match="delete some") as raised:
        await update(place, value_json="1", allow_missing=True)
    assert raised.value.reason == "QUOTA_EXCEEDED"
    assert domain.MOST_VARIABLES == 10_000


async def test_lists_go_on_where_a_page_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "a-b", "a_b", "b", "c"]
    for name in reversed(names):
        await create(place, name)
    found: list[str] = []
    token, pages = "", 0
    monkeypatch.setattr(variable_handler, "MOST_ON_A_PAGE", 2)
    while token or not pages:
        answer = await place.call(
            place.owner,
            "VariableService/ListVariables",
            parent=PARENT,
            page_size=500,
            page_token=token,
        )
        found += [variable.name.rpartition("/")[2] for variable in answer.variables]
        token, pages = answer.next_page_token, pages + 1
    assert (found, pages) == (sorted(names), 3)


async def test_runs_read_and_do_not_write(place: Place) -> None:
    await create(place)
    token, _ = await run_token(place, await place.run(place.owner))
    assert (await get(place, token)).value_json == "1"
    for method, fields in {
        "UpdateVariable": {"variable": {"name": NAME, "value_json": "2"}},
        "DeleteVariable": {"name": NAME},
    }.items():
        refusal = await place.refusal(token, f"VariableService/{method}", **fields)
        assert refusal.reason == "PERMISSION_MISSING", method


async def test_a_workspace_with_variables_stays(place: Place) -> None:
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    await place.call(
        place.owner,
        "VariableService/CreateVariable",
        parent="workspaces/team-a",
        variable_id="x",
        variable={"value_json": "1"},
    )
    refusal = await place.refusal(
        place.owner, "AccessService/DeleteWorkspace", name="workspaces/team-a"
    )
    assert "variables" in refusal.message
