"""Tokens of trusted issuers are verified strictly: a table of attacks, each refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from towpath_auth import CredentialRefused
from towpath_auth.foreign import (
    ClaimRule,
    ForeignIdentity,
    ForeignVerifier,
    ToUser,
    UploadedKeys,
    claimed_issuer,
    kubernetes_trust,
)

from tests.unit.auth.foreign_tokens import (
    CLAIMS,
    ISSUER,
    NOW,
    RSA_JWK,
    RSA_KEY,
    SIGNERS,
    TRUST,
    CountedKeys,
    part,
    saying,
    signed,
    signed_parts,
)

VERIFIER = ForeignVerifier(UploadedKeys())
GOOD = signed()
HEADER = {"alg": "RS256", "typ": "JWT", "kid": "rsa"}
PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def hs256(secret: bytes, algorithm: str = "HS256") -> str:
    text = f"{part(HEADER | {'alg': algorithm})}.{part(CLAIMS)}"
    return f"{text}.{part(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def raw(claims: str) -> str:
    return signed_parts(part(HEADER), part(claims.encode()))


def with_claim(text: str) -> str:
    """A good token with one more member, written as it is."""
    return raw(json.dumps(CLAIMS)[:-1] + f", {text}}}")


def changed(name: str, text: str) -> str:
    rest = {key: value for key, value in CLAIMS.items() if key != name}
    return raw(json.dumps(rest)[:-1] + f', "{name}": {text}}}')


HEADER_ATTACKS = {
    "alg none": f"{part({'alg': 'none', 'typ': 'JWT', 'kid': 'rsa'})}.{part(CLAIMS)}.",
    "alg none with a signature": signed(alg="none"),
    "alg None": signed(alg="None"),
    "HS256 with the public key": hs256(PEM),
    "HS256 with the key set": hs256(json.dumps(RSA_JWK).encode()),
    "RS256 said, HS256 made": hs256(PEM, "RS256"),
    "lower-case alg": signed(alg="rs256"),
    "alg missing": signed_parts(part({"typ": "JWT", "kid": "rsa"}), part(CLAIMS)),
    "alg a list": signed(alg=["RS256"]),
    "alg null": signed(alg=None),
    "RS512": signed(alg="RS512"),
    "ES256 by an RSA key": signed(alg="ES256"),
    "EdDSA by an RSA key": signed(alg="EdDSA"),
    "PS256 said, RS256 made": signed(alg="PS256"),
    "jku": signed(jku="https://evil.example/jwks"),
    "x5u": signed(x5u="https://evil.example/cert"),
    "x5c": signed(x5c=["MIIB"]),
    "jwk": signed(jwk=RSA_JWK),
    "crit": signed(crit=["exp"]),
    "b64": signed(b64=False),
    "zip": signed(zip="DEF"),
    "cty": signed(cty="JWT"),
    "a token of ours": signed(typ="at+jwt"),
    "a token of ours, upper case": signed(typ="AT+JWT"),
    "a token of ours by media type": signed(typ="application/at+jwt"),
    "typ a list": signed(typ=["JWT"]),
    "kid missing": signed_parts(part({"alg": "RS256"}), part(CLAIMS)),
    "kid unknown": signed(kid="other"),
    "kid of another key": signed(kid="ec"),
    "kid a path": signed(kid="../../dev/null"),
    "kid a number": signed(kid=1),
    "kid a list": signed(kid=["rsa"]),
    "kid empty": signed(kid=""),
    "kid long": signed(kid="k" * 257),
    "header twice alg": signed_parts(
        part(b'{"alg":"none","alg":"RS256","kid":"rsa"}'), part(CLAIMS)
    ),
    "header a list": signed_parts(part([HEADER]), part(CLAIMS)),
    "header not JSON": signed_parts(part(b"alg"), part(CLAIMS)),
}
SHAPE_ATTACKS = {
    "empty": "",
    "two parts": GOOD.rpartition(".")[0],
    "four parts": GOOD + ".AA",
    "five parts": GOOD + ".AA.AA",
    "padding": GOOD + "==",
    "newline": GOOD + "\n",
    "space": " " + GOOD,
    "plain base64": GOOD[:-2] + "+/",
    "not ASCII": GOOD + "\u00e9",
    "9 KiB": saying(filler="x" * 9000),
    "nested deeply": f"{part(HEADER)}.{part(b'[' * 5000)}.AA",
    "content a list": signed([CLAIMS]),
    "content not UTF-8": signed(b"\xff\xfe"),
    "signature of another token": GOOD.rpartition(".")[0] + "." + saying(a=1).rpartition(".")[2],
    "content changed": ".".join([part(HEADER), part(CLAIMS | {"x": 1}), GOOD.split(".")[2]]),
}
CLAIM_ATTACKS = {
    "iss with a slash": saying(iss=ISSUER + "/"),
    "iss with a suffix": saying(iss=ISSUER + ".evil"),
    "iss in capitals": saying(iss=ISSUER.upper()),
    "iss missing": saying(iss=None),
    "iss a list": saying(iss=[ISSUER]),
    "aud missing": saying(aud=None),
    "aud empty": saying(aud=[]),
    "aud another": saying(aud="kubernetes"),
    "aud also another": saying(aud=["towpath", "kubernetes"]),
    "aud nested": saying(aud=[["towpath"]]),
    "aud an object": saying(aud={"towpath": 1}),
    "aud in capitals": saying(aud="Towpath"),
    "sub missing": saying(sub=None),
    "sub another": saying(sub="repo:acme/etl2"),
    "sub a list": saying(sub=["repo:acme/etl"]),
    "sub with a space": saying(sub="repo:acme/etl "),
    "sub twice": with_claim('"sub": "repo:acme/etl"'),
    "exp missing": saying(exp=None),
    "exp text": saying(exp=str(NOW + 600)),
    "exp a float": saying(exp=NOW + 600.5),
    "exp a whole float": changed("exp", f"{NOW + 600}.0"),
    "exp true": saying(exp=True),
    "exp NaN": changed("exp", "NaN"),
    "exp Infinity": changed("exp", "Infinity"),
    "exp 1e308": changed("exp", "1e308"),
    "exp of 5,000 digits": changed("exp", "9" * 5000),
    "exp negative": saying(exp=-1),
    "exp before iat": saying(exp=NOW - 11),
    "life too long": saying(exp=NOW - 10 + 3601),
    "iat missing": saying(iat=None),
    "iat a float": saying(iat=NOW - 10.5),
    "iat ahead": saying(iat=NOW + 61),
    "nbf ahead": saying(nbf=NOW + 61),
    "nbf text": saying(nbf="0"),
    "nbf null": changed("nbf", "null"),
    "legacy Kubernetes": saying(**{"kubernetes.io/serviceaccount/namespace": "default"}),
    "another member NaN": with_claim('"x": NaN'),
}
ATTACKS = HEADER_ATTACKS | SHAPE_ATTACKS | CLAIM_ATTACKS


@pytest.mark.parametrize("token", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused(token: str):
    with pytest.raises(CredentialRefused) as refused:
        VERIFIER.verify(token, TRUST, NOW)
    assert refused.value.reason == "CREDENTIAL_INVALID"


@pytest.mark.parametrize("token", CLAIM_ATTACKS.values(), ids=CLAIM_ATTACKS)
def test_no_key_is_looked_for_where_the_token_could_not_be_good(token: str):
    keys = CountedKeys()
    with pytest.raises(CredentialRefused):
        ForeignVerifier(keys).verify(token, TRUST, NOW)
    assert keys.asked == []


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_a_good_token_of_each_algorithm_says_who_calls(algorithm: str):
    assert VERIFIER.verify(signed(algorithm=algorithm), TRUST, NOW) == ForeignIdentity(
        issuer=ISSUER,
        subject="repo:acme/etl",
        service_account="ci",
        issued_at=NOW - 10,
        expires_at=NOW + 600,
    )


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_an_algorithm_the_trust_does_not_name_is_refused(algorithm: str):
    trust = replace(TRUST, algorithms=TRUST.algorithms - {algorithm})
    with pytest.raises(CredentialRefused):
        VERIFIER.verify(signed(algorithm=algorithm), trust, NOW)


def test_a_key_for_one_algorithm_verifies_no_other():
    jwks = json.dumps({"keys": [RSA_JWK | {"alg": "PS256"}]})
    with pytest.raises(CredentialRefused):
        VERIFIER.verify(GOOD, replace(TRUST, jwks=jwks), NOW)


def test_a_trust_whose_keys_cant_be_read_verifies_nothing():
    with pytest.raises(CredentialRefused):
        VERIFIER.verify(GOOD, replace(TRUST, jwks=None), NOW)


@pytest.mark.parametrize("token", [saying(aud="towpath"), saying(aud=["towpath", "towpath-two"])])
def test_every_audience_may_be_one_of_the_trusted(token: str):
    assert VERIFIER.verify(token, TRUST, NOW).service_account == "ci"


def test_a_token_is_told_to_have_expired_after_the_leeway_only():
    assert VERIFIER.verify(GOOD, TRUST, NOW + 659)
    with pytest.raises(CredentialRefused) as refused:
        VERIFIER.verify(GOOD, TRUST, NOW + 660)
    assert refused.value.reason == "CREDENTIAL_EXPIRED"


def test_a_user_is_named_by_a_claim():
    trust = replace(TRUST, maps_to=ToUser(claim="email", default_role="member"))
    verified = saying(email="a@acme.example", email_verified=True)
    found = VERIFIER.verify(verified, trust, NOW)
    assert (found.user, found.default_role) == ("a@acme.example", "member")
    for said in ({}, {"email_verified": False}, {"email_verified": "true"}):
        with pytest.raises(CredentialRefused):
            VERIFIER.verify(saying(email="a@acme.example", **said), trust, NOW)
    with pytest.raises(CredentialRefused):
        VERIFIER.verify(saying(email_verified=True), trust, NOW)
    other = replace(TRUST, maps_to=ToUser(claim="upn"))
    assert VERIFIER.verify(saying(upn="a@acme.example"), other, NOW).user == "a@acme.example"


def test_the_issuer_that_a_token_claims_is_read_without_verifying():
    assert claimed_issuer(GOOD) == ISSUER
    for text in (
        "",
        "a.b",
        f"{GOOD}.x",
        "a.e30.c",
        "a.WzFd.c",
        "a.!!.c",
        "a.abc.c",
        "a.abcde.c",
        "a" * 9000,
    ):
        with pytest.raises(CredentialRefused):
            claimed_issuer(text)


KUBERNETES = replace(
    kubernetes_trust(
        issuer=ISSUER,
        audience="towpath",
        namespace="etl",
        service_account="worker",
        maps_to="workers",
        uid="u-1",
    ),
    jwks=TRUST.jwks,
)
POD = {"namespace": "etl", "serviceaccount": {"name": "worker", "uid": "u-1"}}


def pod_token(**claims: object) -> str:
    return saying(**({"sub": "system:serviceaccount:etl:worker", "kubernetes.io": POD} | claims))


def test_a_projected_kubernetes_token_stands_for_the_service_account():
    assert VERIFIER.verify(pod_token(), KUBERNETES, NOW).service_account == "workers"


@pytest.mark.parametrize(
    "token",
    [
        pod_token(sub="system:serviceaccount:other:worker"),
        pod_token(**{"kubernetes.io": {"serviceaccount": {"uid": "u-2"}}}),
        pod_token(**{"kubernetes.io": {"serviceaccount": "u-1"}}),
        pod_token(**{"kubernetes.io": None}),
        pod_token(**{"kubernetes.io": None, "kubernetes": {"io": POD}}),
        pod_token(**{"kubernetes.io": None, "kubernetes.io.serviceaccount.uid": "u-1"}),
        pod_token(aud="https://kubernetes.default.svc"),
    ],
    ids=["namespace", "recreated", "text", "missing", "split", "flat", "audience"],
)
def test_a_token_of_another_kubernetes_account_is_refused(token: str):
    with pytest.raises(CredentialRefused):
        VERIFIER.verify(token, KUBERNETES, NOW)


def test_a_rule_matches_text_only():
    trust = replace(TRUST, rules=(*TRUST.rules, ClaimRule(path="repository_id", value="7")))
    assert VERIFIER.verify(saying(repository_id="7"), trust, NOW)
    with pytest.raises(CredentialRefused):
        VERIFIER.verify(saying(repository_id=7), trust, NOW)
