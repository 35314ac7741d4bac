from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_auth import CredentialRefused, RunGrant
from towpath_auth.credentials import (
    AccessClaims,
    bearer_token,
    load_signing_key,
    new_api_key,
    new_signing_key,
)

from tests.unit.auth.attacks import Forger, attacks
from tests.unit.auth.tokens import (
    CLAIMS,
    KEY,
    NOW,
    RUN_CLAIMS,
    UUID,
    token,
    verifier,
)

GOOD = token()
ATTACKS = attacks(Forger(key=KEY, good=GOOD, foreign=token(key=new_signing_key())))


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_is_made_to_deceive_is_refused(attack: str) -> None:
    with pytest.raises(CredentialRefused) as raised:
        verifier().verify(ATTACKS[attack], NOW)
    assert raised.value.reason == "CREDENTIAL_INVALID"
    assert UUID not in str(raised.value)


@pytest.mark.parametrize("claims", [CLAIMS, RUN_CLAIMS, replace(CLAIMS, scopes=frozenset())])
def test_a_good_token_says_what_was_signed(claims: AccessClaims) -> None:
    assert verifier().verify(token(claims), NOW) == claims


@pytest.mark.parametrize(("after", "accepted"), [(659, True), (660, True), (661, False)])
def test_a_token_holds_for_a_minute_longer_than_it_says(after: int, *, accepted: bool) -> None:
    if accepted:
        assert verifier().verify(GOOD, NOW + after) == CLAIMS
        return
    with pytest.raises(CredentialRefused) as raised:
        verifier().verify(GOOD, NOW + after)
    assert raised.value.reason == "CREDENTIAL_EXPIRED"


def test_a_token_from_a_clock_a_minute_ahead_is_accepted() -> None:
    ahead = replace(CLAIMS, issued_at=NOW + 60, expires_at=NOW + 660)
    assert verifier().verify(token(ahead), NOW) == ahead


def test_two_keys_are_accepted_at_once_and_one_taken_out_is_not() -> None:
    following = new_signing_key()
    made = verifier()
    made.use([KEY.public, following.public])
    assert made.verify(token(key=following), NOW) == CLAIMS
    assert made.verify(GOOD, NOW) == CLAIMS
    made.use([following.public])
    assert set(made.keys) == {following.kid}
    with pytest.raises(CredentialRefused):
        made.verify(GOOD, NOW)


def test_a_key_is_found_again_from_what_is_kept_of_it() -> None:
    assert load_signing_key(KEY.private_bytes).kid == KEY.kid
    assert KEY.private_bytes.hex() not in repr(KEY)
    with pytest.raises(ValueError, match="32"):
        load_signing_key(b"AAAA")


_claims = st.builds(
    AccessClaims,
    principal=st.uuids().map("users/{}".format) | st.uuids().map("serviceAccounts/{}".format),
    tenant_id=st.uuids().map(str),
    credential_id=st.from_regex(r"[0-9A-Za-z]{16}", fullmatch=True),
    client_id=st.just("cli"),
    epoch=st.integers(min_value=0, max_value=1 << 31),
    issued_at=st.integers(min_value=NOW - 500, max_value=NOW + 60),
    expires_at=st.integers(min_value=NOW + 61, max_value=NOW + 300),
    token_id=st.uuids().map(str),
    scopes=st.none() | st.frozensets(st.sampled_from(["run.read", "log.read", "key.own"])),
)


@given(_claims)
def test_any_claims_come_back_as_they_were(claims: AccessClaims) -> None:
    assert verifier().verify(token(claims), NOW) == claims


@given(at=st.integers(min_value=0, max_value=len(GOOD) - 1), other=st.characters(codec="utf-8"))
def test_any_other_character_anywhere_is_refused(at: int, other: str) -> None:
    changed = GOOD[:at] + other + GOOD[at + 1 :]
    if changed == GOOD:
        return
    with pytest.raises(CredentialRefused):
        verifier().verify(changed, NOW)


KEY_TEXT = new_api_key("user").text
BAD_METADATA: dict[str, tuple[list[str], str]] = {
    "nothing": ([], "CREDENTIAL_MISSING"),
    "two tokens": ([f"Bearer {GOOD}", f"Bearer {GOOD}"], "CREDENTIAL_INVALID"),
    "a good one and an empty one": ([f"Bearer {GOOD}", ""], "CREDENTIAL_INVALID"),
    "a password": (["Basic dXNlcjpwYXNz"], "CREDENTIAL_INVALID"),
    "another case": ([f"bearer {GOOD}"], "CREDENTIAL_INVALID"),
    "no space": ([f"Bearer{GOOD}"], "CREDENTIAL_INVALID"),
    "an API key": ([f"Bearer {KEY_TEXT}"], "CREDENTIAL_NOT_EXCHANGED"),
}


@pytest.mark.parametrize("case", BAD_METADATA)
def test_a_call_brings_one_token_or_is_refused(case: str) -> None:
    values, reason = BAD_METADATA[case]
    with pytest.raises(CredentialRefused) as raised:
        bearer_token({"authorization": values} if values else {})
    assert raised.value.reason == reason


def test_the_token_of_a_call_is_what_follows_bearer() -> None:
    assert bearer_token({"authorization": [f"Bearer {GOOD}"]}) == GOOD


def test_a_run_grant_names_its_workspace() -> None:
    assert verifier().verify(token(RUN_CLAIMS), NOW).run == RunGrant(
        workspace_id="default", run_id=UUID, attempt=2, fence=5
    )


def test_a_refusal_survives_pickling() -> None:
    import pickle  # noqa: PLC0415 - for this test only

    again = pickle.loads(pickle.dumps(CredentialRefused("CREDENTIAL_EXPIRED")))
    assert (again.reason, str(again)) == (
        "CREDENTIAL_EXPIRED",
        str(CredentialRefused("CREDENTIAL_EXPIRED")),
    )
