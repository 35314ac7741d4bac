from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
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

from tests.unit.auth.tokens import (
    CLAIMS,
    KEY,
    NOW,
    RUN_CLAIMS,
    UUID,
    content_of,
    encoded,
    header_of,
    signed,
    token,
    verifier,
)

GOOD = token()
FOREIGN = token(key=new_signing_key())
HEADER, CONTENT = header_of(GOOD), content_of(GOOD)
PUBLIC_PEM = KEY.public.key.public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
PUBLIC_RAW = KEY.public.key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def head(**changes: Any) -> str:
    return signed({**HEADER, **changes}, CONTENT)


def claim(**changes: Any) -> str:
    return signed(HEADER, {**CONTENT, **changes})


def without(*names: str, of: str = "content") -> str:
    header = {key: value for key, value in HEADER.items() if of != "header" or key not in names}
    content = {key: value for key, value in CONTENT.items() if of != "content" or key not in names}
    return signed(header, content)


def raw_claim(text: str) -> str:
    """The content with a further member written by hand."""
    return signed(HEADER, json.dumps(CONTENT)[:-1].encode() + b"," + text.encode() + b"}")


def hs256(key: bytes) -> str:
    body = f"{encoded(json.dumps({**HEADER, 'alg': 'HS256'}).encode())}.{GOOD.split('.')[1]}"
    return f"{body}.{encoded(hmac.new(key, body.encode(), hashlib.sha256).digest())}"


def unsigned(alg: str) -> str:
    header = encoded(json.dumps({**HEADER, "alg": alg}).encode())
    return f"{header}.{GOOD.split('.')[1]}."


def other_spelling(text: str) -> str:
    """The same bytes, with other bits in what the last character has to spare."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


ATTACKS: dict[str, str] = {
    "empty": "",
    "one segment": GOOD.split(".", maxsplit=1)[0],
    "two segments": GOOD.rpartition(".")[0],
    "four segments": f"{GOOD}.{GOOD.split('.')[2]}",
    "five segments, as encrypted tokens have": f"{GOOD}.AAAA.AAAA",
    "no signature": f"{GOOD.rpartition('.')[0]}.",
    "padded": f"{GOOD}==",
    "a line feed at the end": f"{GOOD}\n",
    "a space before": f" {GOOD}",
    "another letter of Unicode": GOOD.replace("e", "\N{CYRILLIC SMALL LETTER IE}", 1),
    "the signature spelled differently": other_spelling(GOOD),
    "5 KiB": GOOD + "A" * 5120,
    "another's signature": GOOD.rpartition(".")[0] + "." + FOREIGN.rpartition(".")[2],
    "signed by another key": FOREIGN,
    "algorithm none": unsigned("none"),
    "algorithm None": unsigned("None"),
    "algorithm none, with a signature": head(alg="none"),
    "algorithm in lower case": head(alg="eddsa"),
    "algorithm of its curve": head(alg="Ed25519"),
    "algorithm empty": head(alg=""),
    "algorithm a list": head(alg=["EdDSA"]),
    "algorithm missing": without("alg", of="header"),
    "HS256 under the public key in PEM": hs256(PUBLIC_PEM),
    "HS256 under the raw public key": hs256(PUBLIC_RAW),
    "HS256 under nothing": hs256(b""),
    "RS256": jwt.encode(CONTENT, RSA, "RS256", {"typ": "at+jwt", "kid": KEY.kid}),
    "PS256": jwt.encode(CONTENT, RSA, "PS256", {"typ": "at+jwt", "kid": KEY.kid}),
    "ES256": jwt.encode(CONTENT, EC, "ES256", {"typ": "at+jwt", "kid": KEY.kid}),
    "type JWT, as id tokens have": head(typ="JWT"),
    "type in capitals": head(typ="AT+JWT"),
    "type with its prefix": head(typ="application/at+jwt"),
    "type missing": without("typ", of="header"),
    "key id unknown": head(kid="unknown"),
    "key id a path": head(kid="../../dev/null"),
    "key id of SQL": head(kid="' OR 1=1 --"),
    "key id a number": head(kid=1),
    "key id a list": head(kid=[KEY.kid]),
    "key id an object": head(kid={"kid": KEY.kid}),
    "key id missing": without("kid", of="header"),
    "a key in the header": head(jwk=KEY.public.jwk),
    "a place of keys in the header": head(jku="https://evil.example/jwks.json"),
    "a place of certificates in the header": head(x5u="https://evil.example/cert.pem"),
    "certificates in the header": head(x5c=["AAAA"]),
    "a critical extension": head(crit=["exp"]),
    "an unencoded payload": head(b64=False),
    "a header twice over": signed(
        json.dumps(HEADER)[:-1].encode() + b',"kid":"' + KEY.kid.encode() + b'"}', CONTENT
    ),
    "a header that is a list": signed(b"[]", CONTENT),
    "a header that is no JSON": signed(b"{", CONTENT),
    "a header that is no text": signed(b"\xff\xfe", CONTENT),
    "a header 1,000 deep": signed(b"[" * 1000 + b"]" * 1000, CONTENT),
    "a content that is a list": signed(HEADER, b"[]"),
    "a content that is no JSON": signed(HEADER, b"{"),
    "a content that is a number": signed(HEADER, b"1"),
    "a content 900 deep": signed(HEADER, b'{"a":' * 450 + b"1" + b"}" * 450),
    "a subject twice": raw_claim(f'"sub":"users/{UUID}"'),
    "a tenant twice": raw_claim(f'"tid":"{UUID}"'),
    "an unknown claim": claim(admin=True),
    "no expiry": without("exp"),
    "expiry a text": claim(exp=str(NOW + 600)),
    "expiry a float": claim(exp=NOW + 600.0),
    "expiry true": claim(exp=True),
    "expiry null": claim(exp=None),
    "expiry NaN": signed(HEADER, json.dumps({**CONTENT, "exp": float("nan")}).encode()),
    "expiry without end": signed(HEADER, json.dumps({**CONTENT, "exp": float("inf")}).encode()),
    "expiry 1e308": signed(HEADER, json.dumps(CONTENT).replace(str(NOW + 600), "1e308").encode()),
    "expiry of 2,000 digits": signed(
        HEADER, json.dumps(CONTENT).replace(str(NOW + 600), "9" * 2000).encode()
    ),
    "expiry in the year 9999": claim(exp=253_402_300_799),
    "a life of 901 seconds": claim(exp=NOW + 901),
    "a life of no seconds": claim(exp=NOW),
    "a life before its beginning": claim(exp=NOW - 5),
    "made 61 seconds from now": claim(iat=NOW + 61, exp=NOW + 600),
    "valid from 61 seconds from now": claim(nbf=NOW + 61),
    "made at a text": claim(iat=str(NOW)),
    "valid from a float": claim(nbf=float(NOW)),
    "no time of making": without("iat"),
    "no time of validity": without("nbf"),
    "issuer with a slash": claim(iss=f"{CONTENT['iss']}/"),
    "issuer with a suffix": claim(iss=f"{CONTENT['iss']}.evil.example"),
    "issuer a list": claim(iss=[CONTENT["iss"]]),
    "no issuer": without("iss"),
    "audience a list": claim(aud=[CONTENT["aud"]]),
    "another audience": claim(aud="towpath-web"),
    "no audience": without("aud"),
    "no subject": without("sub"),
    "subject a number": claim(sub=1),
    "subject of no kind": claim(sub=UUID),
    "subject with a line feed": claim(sub=f"users/{UUID}\n"),
    "subject in capitals": claim(sub=f"users/{UUID.upper()}"),
    "subject of another path": claim(sub=f"users/../{UUID}"),
    "no tenant": without("tid"),
    "tenant with full-width digits": claim(tid=UUID.replace("0", "\N{FULLWIDTH DIGIT ZERO}")),
    "tenant with a line feed": claim(tid=f"{UUID}\n"),
    "no id of its own": without("jti"),
    "no credential": without("sid"),
    "credential of SQL": claim(sid="' OR 1=1 --"),
    "epoch a text": claim(ep="1"),
    "epoch true": claim(ep=True),
    "no epoch": without("ep"),
    "scope a list": claim(scope=["run.read"]),
    "a run's subject without its run": claim(sub=f"runs/{UUID}"),
    "a run for a user": claim(run={"ws": "default", "id": UUID, "att": 1}),
    "a run that is another": claim(
        sub=f"runs/{UUID}", run={"ws": "default", "id": UUID[:-1] + "1", "att": 1}
    ),
    "a run with more to it": claim(
        sub=f"runs/{UUID}", run={"ws": "default", "id": UUID, "att": 1, "all": True}
    ),
    "a run without an attempt": claim(sub=f"runs/{UUID}", run={"ws": "default", "id": UUID}),
    "a run that is a text": claim(sub=f"runs/{UUID}", run=UUID),
    "a run of no id": claim(sub="runs/x", run={"ws": "default", "id": "x", "att": 1}),
}


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
        workspace_id="default", run_id=UUID, attempt=2
    )


def test_a_refusal_survives_pickling() -> None:
    import pickle  # noqa: PLC0415 - for this test only

    again = pickle.loads(pickle.dumps(CredentialRefused("CREDENTIAL_EXPIRED")))
    assert (again.reason, str(again)) == (
        "CREDENTIAL_EXPIRED",
        str(CredentialRefused("CREDENTIAL_EXPIRED")),
    )
