"""Texts that no database holds, and names that aren't what they look like, are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from towpath.api.v1 import access_service_pb2
from towpath_service.core.errors import ServiceError
from towpath_service.rpc.validation import check

if TYPE_CHECKING:
    from tests.in_process.place import Place

PARENT = "workspaces/default"

TAKES_TEXT: list[tuple[str, str, dict[str, Any]]] = [
    ("AccessService/CreateWorkspace", "display_name", {"workspace_id": "team-a"}),
    ("AccessService/CreateUser", "display_name", {"email": "eve@example.org"}),
    ("AccessService/CreateServiceAccount", "display_name", {"service_account_id": "ci"}),
    ("AccessService/CreateApiKey", "display_name", {}),
    ("AccessService/CreateRole", "display_name", {"role_id": "r", "permissions": ["run.read"]}),
    ("AccessService/CreateRoleBinding", "principal", {"role": "roles/viewer"}),
    ("AccessService/ListRoleBindings", "principal", {}),
    ("AccessService/DeleteRole", "name", {}),
    ("TenantService/CreateTenant", "display_name", {"tenant_id": "t", "owner_email": "o@e.org"}),
    ("RunService/ListRuns", "filter", {"parent": PARENT}),
    (
        "RunService/DeleteRun",
        "etag",
        {"name": f"{PARENT}/runs/01978d2a-7c1e-7aaa-8bbb-0123456789ab"},
    ),
]
FOR_ANYBODY: list[tuple[str, str, dict[str, Any]]] = [
    ("AuthService/StartDeviceSignIn", "client_name", {}),
    ("AuthService/GetSignInOptions", "tenant", {}),
    ("AuthService/ExchangeToken", "tenant", {"id_token": "x.y.z"}),
]


async def test_a_nul_is_refused_wherever_it_is(place: Place) -> None:
    for method, field, fields in TAKES_TEXT:
        error = await place.refusal(place.owner, method, **{field: "a\0b"}, **fields)
        assert (error.reason, error.violations[0].field) == ("INVALID_REQUEST", field), method
    for method, field, fields in FOR_ANYBODY:
        error = await place.refusal(None, method, **{field: "a\0b"}, **fields)
        assert (error.reason, error.violations[0].field) == ("INVALID_REQUEST", field), method


async def test_a_nul_within_a_message_is_refused_with_its_path(place: Place) -> None:
    secret = {"value": b"\0\1", "description": "a\0b"}
    error = await place.refusal(
        place.owner, "SecretService/CreateSecret", parent=PARENT, secret_id="s", secret=secret
    )
    assert [item.field for item in error.violations] == ["secret.description"]


NO_NAMES = {
    "a control": "a\x01b",
    "an escape": "\x1b[2K\rtowpath on ada-laptop",
    "an end of line": "a\nb",
    "a C1 control": "a\x9bb",
    "an override of direction": "a\u202eb",
    "an isolate": "a\u2066b",
    "a space of no width": "a\u200bb",
    "a joiner of words": "a\u2060b",
    "a mark of bytes' order": "\ufeffa",
    "a filler": "\u3164",
    "a tag": "a\U000e0041",
    "blanks only": " \u00a0\u3000",
}


@pytest.mark.parametrize("what", NO_NAMES)
def test_a_name_that_is_not_what_it_looks_like_is_refused(what: str) -> None:
    request = access_service_pb2.CreateWorkspaceRequest(
        workspace_id="team-a", display_name=NO_NAMES[what]
    )
    with pytest.raises(ServiceError) as raised:
        check(request)
    assert [item.field for item in raised.value.violations] == ["display_name"]


@pytest.mark.parametrize(
    "name", ["", "Team A", "Zoë Ångström", "日本語 チーム", "ابجد", "🚀", "a\u00a0b"]
)
def test_a_name_in_any_script_is_taken(name: str) -> None:
    check(access_service_pb2.CreateWorkspaceRequest(workspace_id="team-a", display_name=name))


async def test_a_device_cannot_paint_over_what_its_approver_reads(small: Place) -> None:
    error = await small.refusal(
        None, "AuthService/StartDeviceSignIn", client_name=NO_NAMES["an escape"]
    )
    assert [item.field for item in error.violations] == ["client_name"]


def test_a_text_in_a_list_or_map_is_told_by_its_place() -> None:
    request = access_service_pb2.CreateRoleRequest(
        role_id="r", display_name="R", permissions=["run.read", "a\0"]
    )
    with pytest.raises(ServiceError) as raised:
        check(request)
    assert "permissions[1]" in [item.field for item in raised.value.violations]


async def test_a_nul_in_a_log_line_is_kept_as_another_character(place: Place) -> None:
    run_id = await place.run(place.owner)
    line: dict[str, Any] = {"run_id": run_id, "sequence": 1, "severity": 9, "occur_time": {}}
    line |= {"body": "a\0b", "logger": "\0", "attributes": {"k\0": "v\0"}}
    answer = await place.call(
        place.owner,
        "LogService/WriteLogs",
        workspace=PARENT,
        producer_id=str(uuid4()),
        records=[line],
    )
    assert answer.rejected_count == 0
    parent = f"{PARENT}/runs/{run_id}"
    [kept] = (await place.call(place.owner, "LogService/ListLogs", parent=parent)).records
    assert (kept.body, kept.logger) == ("a\ufffdb", "\ufffd")
    assert dict(kept.attributes) == {"k\0": "v\0"}
