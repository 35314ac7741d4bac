from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath.api.v1 import access_service_pb2 as pb
from towpath.cli.identity import keys as _keys
from towpath.exceptions import InvalidRequest

from tests.unit.sdk.cli.answering import answered

if TYPE_CHECKING:
    from click.testing import Result

MAKER = "users/ada@example.org"


def stored(key_id: str, *, ends_in: int | None = None, **fields: Any) -> pb.ApiKey:
    """A key as a server lists it, by when it ends: seconds from now."""
    key = pb.ApiKey(name=f"{MAKER}/apiKeys/{key_id}", key_id=key_id, creator=MAKER, **fields)
    if ends_in is not None:
        key.expire_time.seconds = int(time.time()) + ends_in
    return key


def said(*words: str) -> Result:
    return CliRunner().invoke(_keys.group, list(words))


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the server fails."""

    def answer(*_: Any) -> Any:
        raise AssertionError("the server was asked")

    answered(monkeypatch, _keys, answer)


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize("age", ["0", "0d", "0h", "00m"])
def test_a_key_that_ends_at_once_isnt_asked_for(age: str) -> None:
    ended = said("create", "--expires", age)
    assert ended.exit_code == 2
    assert "--expires" in ended.output
    assert "must be more than 0" in ended.output


@pytest.mark.parametrize(
    ("words", "field", "option"),
    [
        (("create", "--expires", "400d"), "life", "--expires"),
        (("rotate", "0" * 16, "--overlap", "8d"), "overlap", "--overlap"),
    ],
)
def test_what_is_wrong_with_a_time_is_said_of_its_option(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], field: str, option: str
) -> None:
    def answer(*_: Any) -> Any:
        raise InvalidRequest(f"{field}: must be at most so many days")

    answered(monkeypatch, _keys, answer)
    ended = said(*words)
    assert ended.exit_code == 2
    assert f"{option} must be at most so many days" in ended.output
    assert f"{field}:" not in ended.output


def test_another_fault_of_a_new_key_is_said_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: Any) -> Any:
        raise InvalidRequest("display_name: is too long")

    answered(monkeypatch, _keys, answer)
    assert "display_name" in str(said("create").exception)


def test_a_list_tells_keys_that_hold_from_those_that_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    revoked = stored("D" * 16, ends_in=-5)
    revoked.revoke_time.seconds = 1
    keys = [
        stored("A" * 16, ends_in=90 * 86_400),
        stored("B" * 16, ends_in=-5),
        stored("C" * 16, ends_in=600, replaced_by="A" * 16),
        revoked,
        stored("E" * 16),
        stored("F" * 16, ends_in=-5, replaced_by="A" * 16),
    ]

    answered(monkeypatch, _keys, lambda *_: pb.ListApiKeysResponse(api_keys=keys))
    lines = said("ls", "-o", "wide").output.splitlines()
    states = {line.split()[0]: line for line in lines if line[:1] * 16 == line[:16]}
    assert "active" in states["A" * 16]
    assert "expired" in states["B" * 16]
    assert f"replaced by {'A' * 16}" in states["C" * 16]
    assert "revoked" in states["D" * 16]
    assert "active" in states["E" * 16]
    assert "expired" in states["F" * 16]


def test_a_list_warns_of_keys_that_end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        stored("A" * 16, ends_in=13 * 86_400, kind=1),
        stored("B" * 16, ends_in=15 * 86_400, kind=1),
        stored("C" * 16, ends_in=600, kind=1, replaced_by="B" * 16),
        stored("D" * 16, ends_in=600, kind=2),
        stored("E" * 16, ends_in=-5, kind=1),
        stored("F" * 16, kind=1),
    ]

    answered(monkeypatch, _keys, lambda *_: pb.ListApiKeysResponse(api_keys=keys))
    warned = said("ls").stderr
    assert warned.count("expires at") == 1
    assert f"`towpath key rotate {'A' * 16}`" in warned


@pytest.mark.parametrize(("ends_in", "end"), [(86_400, "expires at 2"), (None, "never expires")])
def test_a_key_is_shown_with_when_it_ends(
    monkeypatch: pytest.MonkeyPatch, ends_in: int | None, end: str
) -> None:
    made = pb.CreateApiKeyResponse(api_key=stored("A" * 16, ends_in=ends_in), key="the key")
    answered(monkeypatch, _keys, lambda *_: made)
    shown = said("create")
    assert shown.stdout == "the key\n"
    assert end in shown.stderr
