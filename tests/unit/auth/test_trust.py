"""A trust is checked when it is written down, and says what to change."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from towpath_auth.foreign import (
    ClaimRule,
    ToServiceAccount,
    ToUser,
    TrustRefused,
    keys_of,
    kubernetes_trust,
)

from tests.unit.auth.foreign_tokens import EC_JWK, ED_JWK, JWKS, RSA_JWK, TRUST

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"issuer": "http://issuer.example"}, "Use https"),
    ({"issuer": "http://127.0.0.1:8080"}, "Use https"),
    ({"issuer": "http://10.0.0.1", "allow_loopback": True}, "Use https"),
    ({"issuer": "http://localhost.evil.example", "allow_loopback": True}, "Use https"),
    ({"issuer": "http://[::ffff:127.0.0.1]", "allow_loopback": True}, "Use https"),
    ({"issuer": "ftp://issuer.example"}, "Use https"),
    ({"issuer": "issuer.example"}, "Write issuer"),
    ({"issuer": ""}, "Write issuer"),
    ({"issuer": "https://user:pw@issuer.example"}, "Write issuer"),
    ({"issuer": "https://@issuer.example"}, "Write issuer"),
    ({"issuer": "https://issuer.example?a=b"}, "Write issuer"),
    ({"issuer": "https://issuer.example#a"}, "Write issuer"),
    ({"issuer": "https://issuer.example\\@evil.example"}, "Write issuer"),
    ({"issuer": "https://issuer.example\n"}, "Write issuer"),
    ({"issuer": "https://iss\u00fcer.example"}, "Write issuer"),
    ({"issuer": "https://issuer.example:port"}, "Correct issuer"),
    ({"jwks": None, "jwks_uri": "http://issuer.example/keys"}, "Use https for jwks_uri"),
    ({"jwks_uri": "https://issuer.example/keys"}, "either"),
    ({"audiences": ()}, "one to three"),
    ({"audiences": ("a", "b", "c", "d")}, "one to three"),
    ({"audiences": ("",)}, "one to three"),
    ({"algorithms": frozenset()}, "Choose"),
    ({"algorithms": frozenset({"HS256"})}, "Choose"),
    ({"algorithms": frozenset({"none", "RS256"})}, "Choose"),
    ({"max_life_seconds": 0}, "max_life"),
    ({"max_life_seconds": 86_401}, "max_life"),
    ({"rules": ()}, "add a rule"),
    ({"rules": (ClaimRule(path="aud", value="towpath"),)}, "add a rule"),
    ({"maps_to": ToServiceAccount(name="")}, "Name the service account"),
    ({"maps_to": ToUser(claim="iss", default_role="member")}, "by a claim"),
]


@pytest.mark.parametrize(("change", "text"), MISTAKES)
def test_a_mistake_is_refused_with_what_to_do(change: dict[str, Any], text: str):
    with pytest.raises(TrustRefused, match=text):
        replace(TRUST, **change)


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost"])
def test_plain_http_is_for_loopback_where_allowed(issuer: str):
    assert replace(TRUST, issuer=issuer, allow_loopback=True).issuer == issuer


def test_keys_may_be_found_by_address_or_by_discovery():
    at = "https://issuer.example/keys"
    assert replace(TRUST, jwks=None, jwks_uri=at).jwks_uri == at
    assert replace(TRUST, jwks=None).jwks_uri is None


@pytest.mark.parametrize("path", ["", ".", "a..b", ".a", "a.", "a\\b", "a\\"])
def test_a_path_that_names_nothing_is_refused(path: str):
    with pytest.raises(TrustRefused):
        ClaimRule(path=path, value="x")


def test_a_rule_needs_a_value():
    with pytest.raises(TrustRefused, match="not empty"):
        ClaimRule(path=r"a\\b\.c", value="")


@pytest.mark.parametrize(("namespace", "name"), [("", "a"), ("a", ""), ("a:b", "c"), ("a", "b:c")])
def test_kubernetes_names_have_no_colons(namespace: str, name: str):
    with pytest.raises(TrustRefused, match="colons"):
        kubernetes_trust(
            issuer="https://k8s.example",
            audience="towpath",
            namespace=namespace,
            service_account=name,
            maps_to="workers",
        )


def test_a_uid_is_pinned_only_where_it_is_given():
    trust = kubernetes_trust(
        issuer="https://k8s.example",
        audience="towpath",
        namespace="etl",
        service_account="worker",
        maps_to="workers",
    )
    assert [rule.path for rule in trust.rules] == ["sub"]


def test_the_usable_keys_of_a_set_are_found():
    assert list(keys_of(JWKS.encode())) == ["rsa", "ec", "ed"]


SHORT = RSAAlgorithm.to_jwk(
    rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key(), as_dict=True
)


@pytest.mark.parametrize(
    "key",
    [
        "text",
        RSA_JWK | {"kid": None},
        RSA_JWK | {"kid": ""},
        RSA_JWK | {"alg": 1},
        RSA_JWK | {"use": "enc"},
        RSA_JWK | {"key_ops": ["sign"]},
        RSA_JWK | {"key_ops": "verify"},
        RSA_JWK | {"d": "AQAB"},
        RSA_JWK | {"n": 1},
        RSA_JWK | {"e": None},
        SHORT | {"kid": "short"},
        EC_JWK | {"crv": "P-384"},
        EC_JWK | {"x": "AA"},
        ED_JWK | {"crv": "Ed448"},
        ED_JWK | {"x": "AA"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"},
        {"kty": "oct", "kid": "oct"},
        {"kty": ["RSA"], "kid": "list"},
    ],
)
def test_a_key_that_must_not_verify_is_left_out(key: Any):
    assert not keys_of(json.dumps({"keys": [key]}).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [], "keys": []}',
        b"\xff",
        b"[" * 100_000,
        b" " * 262_145,
        json.dumps({"keys": [{}] * 33}).encode(),
        json.dumps({"keys": [RSA_JWK, RSA_JWK]}).encode(),
    ],
    ids=["empty", "list", "none", "object", "twice", "bytes", "deep", "long", "many", "same id"],
)
def test_what_is_no_key_set_is_refused(content: bytes):
    with pytest.raises(TrustRefused):
        keys_of(content)
