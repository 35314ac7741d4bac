"""What must not be seen is in no text, however it is written there."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from towpath._redaction import REDACTED, LiveSecrets, scrubbed
from towpath._redaction.patterns import KEY, without_credentials
from towpath_auth.credentials import KEY_PATTERN, new_api_key

ODD = "p@ss'w\"ord\\\n/ä+%"
texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=6, max_size=40)
# Of letters that no form of another value is made of by chance.
around = st.text("<>|~ ", max_size=10)


def written(value: str) -> dict[str, str]:
    """The ways in which a program might write a value."""
    content = value.encode()
    return {
        "itself": value,
        "repr": repr({"password": value}),
        "json": json.dumps({"password": value}),
        "json, beyond ASCII": json.dumps([value], ensure_ascii=False),
        "of a URL": f"https://user:{quote(value, safe='')}@host/",
        "of a path": f"https://host/{quote(value)}",
        "of a form": f"password={quote_plus(value)}&x=1",
        "Base64": base64.b64encode(content).decode(),
        "Basic": base64.b64encode(b"user:" + content).decode(),
        "Base64 of more": base64.b64encode(b"ab" + content + b"cd").decode(),
        "URL-safe Base64": base64.urlsafe_b64encode(b"a" + content + b"\n").decode(),
        "hexadecimal": content.hex(),
    }


def gives_away(value: str, text: str) -> bool:
    content = value.encode()
    middle = (
        value,
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        quote(value, safe=""),
        quote_plus(value),
        content.hex(),
        *(base64.b64encode(b"\0" * n + content).decode()[4:-4] for n in range(3)),
    )
    return any(len(form) >= 6 and form in text for form in middle)


@pytest.mark.parametrize("way", written(ODD))
def test_no_way_of_writing_a_value_shows_it(way: str) -> None:
    secrets = LiveSecrets()
    secrets.add(ODD)
    told = secrets.text(f"before {written(ODD)[way]} after")
    assert REDACTED in told
    assert not gives_away(ODD, told)
    assert told.startswith("before ")
    assert told.endswith(" after")


@given(value=texts, before=around, after=around, many=st.booleans())
def test_no_form_of_a_value_survives(value: str, before: str, after: str, many: bool) -> None:
    secrets = LiveSecrets()
    secrets.add(value)
    if many:
        secrets.add([f"another-secret-{number:05d}" for number in range(60)])
    for form in written(value).values():
        assert not gives_away(value, secrets.text(f"{before}{form}{after}"))


@given(text=st.text(max_size=200), many=st.booleans())
def test_a_text_without_any_stays_as_it_is(text: str, many: bool) -> None:
    secrets = LiveSecrets()
    assert secrets.redacted(text) == text
    secrets.add([f"\N{SNOWMAN}{number:06d}" for number in range(100 if many else 1)])
    if "\N{SNOWMAN}" not in text and "%E2%98%83" not in text and "e29883" not in text:
        assert secrets.redacted(text) == text


def test_few_and_many_values_are_hidden_alike() -> None:
    few, many = LiveSecrets(), LiveSecrets()
    values = [f"secret-{number:04d}" for number in range(300)]
    few.add(values[:3])
    many.add(values)
    text = "x secret-0001secret-0002 y secret-0001-and-more z"
    assert few.text(text) == many.text(text) == "x ****** y ***-and-more z"


def test_the_longer_of_two_values_is_hidden_whole() -> None:
    for more in (0, 300):
        secrets = LiveSecrets()
        secrets.add([f"filler-{number}-{number}" for number in range(more)])
        secrets.add(["hunter2", "hunter2-and-the-rest"])
        assert secrets.text("<hunter2-and-the-rest>") == "<***>"


@dataclass
class Login:
    user: str
    password: str


class Settings(BaseModel):
    token: SecretStr
    url: str


class Plain:
    def __init__(self) -> None:
        self.inner = "plain-secret"


VALUES: dict[str, tuple[Any, list[str]]] = {
    "bytes": (b"\xff-bytes-secret", [repr(b"\xff-bytes-secret"), "ff2d62797465732d736563726574"]),
    "dict": ({"a": ["list-secret", {"b": "deep-secret"}]}, ["list-secret", "deep-secret"]),
    "dataclass": (Login("alice-name", "alice-secret"), ["alice-secret", "alice-name"]),
    "model": (Settings(token=SecretStr("model-secret"), url="the-url"), ["model-secret"]),
    "secret": (SecretStr("secret-secret"), ["secret-secret"]),
    "number": (12345678, ["12345678"]),
    "path": (PurePosixPath("/run/secrets/x"), ["/run/secrets/x"]),
    "object": (Plain(), ["plain-secret"]),
    "set": ({"set-secret"}, ["set-secret"]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_what_a_value_holds_is_hidden(kind: str) -> None:
    value, parts = VALUES[kind]
    secrets = LiveSecrets()
    secrets.add(value)
    for part in parts:
        told = secrets.text(f"it is {part}!")
        assert REDACTED in told, part


def test_what_is_too_short_or_says_nothing_is_left() -> None:
    secrets = LiveSecrets()
    for value in ("short", None, True, 7, [], {}, object):
        secrets.add(value)
    assert secrets.text("short None True 7") == "short None True 7"
    loop: list[Any] = ["looping-secret"]
    loop.append(loop)
    secrets.add(loop)
    assert secrets.text("looping-secret") == REDACTED


def test_another_process_knows_what_it_is_sent() -> None:
    here = LiveSecrets()
    here.add("sent-secret")
    there = LiveSecrets(here.values)
    assert there.text("sent-secret") == REDACTED


KEY_TEXT = new_api_key("service_account").text
TOKEN_TEXT = (
    "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ1c2VycyJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
)
CREDENTIALS = pytest.mark.parametrize("credential", [KEY_TEXT, TOKEN_TEXT], ids=["key", "token"])
STANDING = {
    "colour": "\x1b[31m{}\x1b[0m",
    "repr": r"'x\n{}\n'",
    "json": r'"\u001b[1m{}\u001b[0m"',
    "of a URL": "https://host/?a%3D{}%26b",
    "a name before": "API_KEY_{}",
    "a word before": "key{}",
    "a name after": "{}_KEY",
    "between its like": "a.b.{}.c.d",
}


@CREDENTIALS
@pytest.mark.parametrize("way", STANDING)
def test_a_credential_is_hidden_whatever_stands_around_it(way: str, credential: str) -> None:
    told = scrubbed(STANDING[way].format(credential))
    assert credential not in told
    assert told.startswith(STANDING[way].partition("{")[0])


near = st.text(st.sampled_from("\x1b[0;31m\\nrt%3D=_-.:/ 'aZ9\N{SNOWMAN}"), max_size=12)


@CREDENTIALS
@given(before=near | st.text(max_size=12), after=near | st.text(max_size=12))
def test_no_credential_is_shown_by_what_stands_around_it(
    credential: str, before: str, after: str
) -> None:
    told = without_credentials(f"{before}{credential}{after}")
    assert told.startswith(f"{before}{REDACTED}")
    assert not any(part in told for part in credential.replace("_", ".").split(".")[1:])


def test_a_text_full_of_beginnings_is_looked_at_once() -> None:
    # Looked at from each beginning, these would take minutes.
    for text in ("eyJ" * 300_000, "eyJaaaaaaaa." * 50_000 + "x", "twps_" * 300_000):
        assert len(scrubbed(text)) <= len(text)


def test_credentials_are_hidden_without_being_known() -> None:
    for kind in ("user", "service_account", "refresh", "device"):
        key = new_api_key(kind).text  # type: ignore[arg-type]
        assert scrubbed(f"TOWPATH_API_KEY={key};") == f"TOWPATH_API_KEY={REDACTED};"
    token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VycyJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    assert scrubbed(f"Bearer {token}") == f"Bearer {REDACTED}"
    for fine in ("twp", "eyJ", "twps_short", "a eyJ.b"):
        assert scrubbed(fine) == fine
    assert KEY_PATTERN.pattern == KEY
