from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath.api.v1 import access_service_pb2 as pb
from towpath.cli.identity import members as _members
from towpath.cli.shared.errors import CommandError

from tests.unit.sdk.cli.answering import answered

if TYPE_CHECKING:
    from click.testing import Result

BOB = "users/bob@example.org"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of a server that has Bob in."""
    asked: list[str] = []

    def answer(method: str, request: Any) -> Any:
        if method == "ListUsers":
            return pb.ListUsersResponse(users=[pb.User(name=BOB)])
        asked.append(method)
        if method == "CreateApiKey":
            assert request.parent == BOB
            made = pb.ApiKey(name=f"{BOB}/apiKeys/{'A' * 16}")
            made.expire_time.seconds = 1_800_000_000
            return pb.CreateApiKeyResponse(key="the key", api_key=made)
        assert request.principal == BOB
        binding = pb.RoleBinding(principal=BOB, role=request.role)
        return pb.CreateRoleBindingResponse(role_binding=binding)

    answered(monkeypatch, _members, answer)
    return asked


def said(*words: str) -> Result:
    return CliRunner().invoke(_members.group, ["add", "Bob@example.org", *words])


def test_a_key_is_made_for_who_is_in(calls: list[str]) -> None:
    shown = said("--with-key")
    assert (shown.exit_code, shown.stdout) == (0, "the key\n")
    assert "expires at 2027" in shown.stderr
    assert calls == ["CreateApiKey"]


def test_a_role_and_a_key_are_given_to_who_is_in(calls: list[str]) -> None:
    shown = said("--role", "viewer", "--with-key")
    assert (shown.exit_code, shown.stdout) == (0, "the key\n")
    assert calls == ["CreateRoleBinding", "CreateApiKey"]
    assert said("--role", "viewer").stdout == ""


def test_who_is_in_and_gets_nothing_is_an_error_that_says_what_there_is(calls: list[str]) -> None:
    error = said().exception
    assert isinstance(error, CommandError)
    assert "--with-key" in error.hint
    assert calls == []
