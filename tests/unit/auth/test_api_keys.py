from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_auth import CredentialRefused, _api_keys
from towpath_auth.credentials import (
    KEY_PATTERN,
    KeyKind,
    Peppers,
    new_api_key,
    new_pepper,
    parse_api_key,
)

KINDS: tuple[KeyKind, ...] = ("user", "service_account", "refresh")
ALL_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
KEY = new_api_key("service_account")


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_what_a_scanner_looks_for_and_reads_back(kind: KeyKind) -> None:
    key = new_api_key(kind)
    assert KEY_PATTERN.search(f"key={key.text};") is not None
    assert parse_api_key(key.text) == key
    assert len(key.text) == 71
    assert key.text not in repr(key)


def test_keys_differ() -> None:
    assert len({new_api_key("user").text for _ in range(1000)}) == 1000


@given(at=st.integers(min_value=0, max_value=70), other=st.characters(codec="utf-8"))
def test_a_slip_anywhere_is_found(at: int, other: str) -> None:
    changed = KEY.text[:at] + other + KEY.text[at + 1 :]
    if changed == KEY.text:
        return
    with pytest.raises(CredentialRefused):
        parse_api_key(changed)


NO_KEYS = {
    "nothing": "",
    "too short": KEY.text[:-1],
    "too long": f"{KEY.text}A",
    "with a line feed": f"{KEY.text}\n",
    "with a space before": f" {KEY.text}",
    "of no kind": KEY.text.replace("twps", "twpx"),
    "with dashes": KEY.text.replace("_", "-"),
    "in capitals": KEY.text.upper(),
    "of look-alikes": "\N{FULLWIDTH LATIN SMALL LETTER T}" + KEY.text[1:],
}


@pytest.mark.parametrize("case", NO_KEYS)
def test_what_is_no_key_is_refused(case: str) -> None:
    with pytest.raises(CredentialRefused) as raised:
        parse_api_key(NO_KEYS[case])
    assert raised.value.reason == "CREDENTIAL_INVALID"


def test_a_digest_is_of_one_key_under_one_pepper() -> None:
    known = {1: new_pepper(), 2: new_pepper()}
    peppers = Peppers(by_version=known, current=2)
    version, digest = peppers.hash(KEY)
    assert version == 2
    assert peppers.matches(KEY, version, digest)
    assert not peppers.matches(KEY, 1, digest)
    assert not peppers.matches(KEY, 3, digest)
    assert not peppers.matches(new_api_key("user"), version, digest)
    assert "by_version" not in repr(peppers)
    # The next one is known before it is in force.
    early = Peppers(by_version=known, current=1)
    assert early.hash(KEY)[0] == 1
    assert early.matches(KEY, version, digest)


def test_the_form_that_scanners_are_told_is_that_of_keys() -> None:
    page = (Path(__file__).parents[3] / "docs/guides/identity.md").read_text(encoding="utf-8")
    section = page.partition("## Keys in the wrong place")[2].partition("\n## ")[0]
    assert f"```text\n{KEY_PATTERN.pattern}\n```" in section
    assert f're.compile(r"{KEY_PATTERN.pattern}")' in section
    example = KEY_PATTERN.search(section)
    assert example is not None
    key = parse_api_key(example[0])
    assert f"towpath key revoke {key.key_id}`" in section
    assert {f"`{new_api_key(kind).text[:5]}`" for kind in ALL_KINDS} == set(
        re.findall(r"`twp\w_`", section)
    )


def test_a_refresh_token_is_recognised_under_any_pepper_that_is_kept() -> None:
    old, new = Peppers(by_version={1: new_pepper()}, current=1), new_pepper()
    peppers = Peppers(by_version={**old.by_version, 2: new}, current=2)
    # The next one is known before it is in force, and makes none until then.
    early = Peppers(by_version=peppers.by_version, current=1).new_refresh_token("a" * 16)
    assert old.has_made(early)
    for token in (old.new_refresh_token("a" * 16), peppers.new_refresh_token("a" * 16)):
        assert parse_api_key(token.text) == token
        assert (token.kind, token.key_id) == ("refresh", "a" * 16)
        assert peppers.has_made(token)
        assert not Peppers(by_version={1: new_pepper()}, current=1).has_made(token)
    made = {peppers.new_refresh_token("a" * 16).text for _ in range(1000)}
    assert len(made) == 1000


def test_a_refresh_token_that_was_made_up_or_is_of_another_login_is_not_recognised() -> None:
    peppers = Peppers(by_version={1: new_pepper()}, current=1)
    token = peppers.new_refresh_token("a" * 16)
    secret = token.text.split("_")[2][:-6]
    assert peppers.has_made(_api_keys._key("refresh", "a" * 16, secret))
    assert not peppers.has_made(_api_keys._key("refresh", "b" * 16, secret))
    assert not peppers.has_made(new_api_key("refresh", "a" * 16))
    for at, was in enumerate(secret):
        changed = secret[:at] + ("0" if was != "0" else "1") + secret[at + 1 :]
        assert not peppers.has_made(_api_keys._key("refresh", "a" * 16, changed))
