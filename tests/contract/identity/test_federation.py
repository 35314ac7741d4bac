"""Tokens of other issuers: what a trust lets in, as whom, and what it doesn't."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from towpath_service.app.identity.key_rotation import rotate_pepper
from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.server_keys import PUBLISHED_SECONDS
from towpath_service.identity.issuers import issuer_keys

from tests.in_process.place import OPTIONS, SEALING, Place, open_place
from tests.issuer.server import CLIENT, Issuer, running_issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl

    from tests.in_process.fixtures import MovableClock

EXCHANGE = "AuthService/ExchangeToken"
PRIVATE = replace(OPTIONS, private_issuers=True)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_place(tmp_path / "towpath.db", PRIVATE) as opened:
        yield opened


async def reason(place: Place, token: str | None, method: str, **fields: Any) -> str:
    try:
        await place.call(token, method, **fields)
    except ServiceError as error:
        return error.reason
    return ""


def for_account(issuer: Issuer, account: str, **more: Any) -> dict[str, Any]:
    return {
        "issuer": issuer.url,
        "audiences": ["towpath"],
        "rules": [{"path": "sub", "value": "repo:acme/etl"}],
        "service_account": account,
        **more,
    }


def for_users(issuer: Issuer, **more: Any) -> dict[str, Any]:
    users = {"client_id": CLIENT, "default_role": "roles/viewer", **more}
    return {"issuer": issuer.url, "audiences": [CLIENT], "users": users}


async def trusting(place: Place, trust: dict[str, Any], trust_id: str = "ci") -> Any:
    return await place.call(
        place.owner, "AccessService/CreateTrust", trust_id=trust_id, trust=trust
    )


async def test_a_trusted_token_makes_its_bearer_the_service_account(
    either: Path | PostgresUrl, issuer: Issuer
) -> None:
    async with open_place(either, PRIVATE) as place:
        account, _ = await place.account("runner")
        made = await trusting(place, for_account(issuer, account))
        assert made.trust.name == "trusts/ci"
        token = issuer.token(audience="towpath", sub="repo:acme/etl", life=120)
        answer = await place.call(None, EXCHANGE, id_token=token)
        assert answer.actor.principal == account
        assert answer.expires_in.seconds <= 120
        assert not answer.refresh_token
        assert await place.run(answer.access_token)
        again = await place.call(None, EXCHANGE, id_token=token)
        who = await place.call(again.access_token, "AuthService/GetCaller")
        listed = await place.call(place.owner, "AccessService/ListApiKeys", parent=account)
        kinds = {key.key_id: key.kind for key in listed.api_keys}
        assert kinds[who.credential_id] == 3
        await place.call(place.owner, "AccessService/DeleteTrust", name="trusts/ci")
        gone = await reason(place, answer.access_token, "AuthService/GetCaller")
        assert gone == "CREDENTIAL_REVOKED"
        assert await reason(place, None, EXCHANGE, id_token=token) == "CREDENTIAL_INVALID"


async def test_a_kubernetes_service_account_comes_by_keys_that_were_uploaded(
    here: Place, issuer: Issuer
) -> None:
    account, _ = await here.account("runner")
    subject = "system:serviceaccount:jobs:nightly"
    rules = [
        {"path": "sub", "value": subject},
        {"path": r"kubernetes\.io.serviceaccount.uid", "value": "u-1"},
    ]
    trust = for_account(issuer, account, rules=rules, jwks=issuer.jwks())
    await trusting(here, trust, "cluster")
    pod = {"kubernetes.io": {"serviceaccount": {"uid": "u-1"}}, "sub": subject}
    token = issuer.token(audience="towpath", **pod)
    answer = await here.call(None, EXCHANGE, id_token=token, tenant="main")
    assert answer.actor.principal == account
    assert issuer.calls == []
    other = {"kubernetes.io": {"serviceaccount": {"uid": "u-2"}}, "sub": subject}
    again = issuer.token(audience="towpath", **other)
    assert await reason(here, None, EXCHANGE, id_token=again) == "CREDENTIAL_INVALID"


async def test_a_user_signs_in_once_by_a_token_and_stays_by_refresh_tokens(
    here: Place, issuer: Issuer
) -> None:
    await trusting(here, for_users(issuer), "company")
    asked = await here.call(None, "AuthService/GetSignInOptions")
    assert (asked.issuer, asked.client_id) == (issuer.url, CLIENT)
    assert list(asked.scopes) == ["openid", "email"]
    token = issuer.id_token()
    answer = await here.call(None, EXCHANGE, id_token=token)
    assert answer.actor.principal == "users/ada@example.org"
    assert await reason(here, None, EXCHANGE, id_token=token) == "CREDENTIAL_INVALID"
    following = await here.call(None, EXCHANGE, refresh_token=answer.refresh_token)
    who = await here.call(following.access_token, "AuthService/GetCaller")
    assert "run.read" in who.workspace_grants[0].permissions
    entries = (await here.call(here.owner, "AccessService/ListAuditEntries")).audit_entries
    assert [(entry.action, entry.actor) for entry in entries][:1] == [
        ("auth.login", "users/ada@example.org")
    ]
    await here.call(here.owner, "AccessService/DeleteTrust", name="trusts/company")
    gone = await reason(here, None, EXCHANGE, refresh_token=following.refresh_token)
    assert gone == "CREDENTIAL_REVOKED"
    assert (await here.call(None, "AuthService/GetSignInOptions")).issuer == ""


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256: beside (r, s), (r, ORDER - s) is a signature of the same content."""


async def test_a_user_signs_in_once_by_what_was_signed_however_it_was(small: Place) -> None:
    issuer, key = "https://issuer.example", ec.generate_private_key(ec.SECP256R1())
    jwk: dict[str, Any] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    trust = {
        "issuer": issuer,
        "audiences": [CLIENT],
        "algorithms": ["ES256"],
        "jwks": json.dumps({"keys": [{**jwk, "kid": "k", "use": "sig"}]}),
        "users": {"client_id": CLIENT, "default_role": "roles/viewer"},
    }
    await trusting(small, trust, "company")
    now = int(time.time())
    claims = {"iss": issuer, "aud": CLIENT, "sub": "s", "iat": now, "exp": now + 300}
    said = {"email": "ada@example.org", "email_verified": True}
    tokens = [
        jwt.encode({**claims, **said, "jti": name}, key, "ES256", headers={"kid": "k"})
        for name in ("first", "second")
    ]
    assert await reason(small, None, EXCHANGE, id_token=tokens[0]) == ""
    assert await reason(small, None, EXCHANGE, id_token=_other(tokens[0])) == "CREDENTIAL_INVALID"
    # That one is as good as any to begin with.
    assert await reason(small, None, EXCHANGE, id_token=_other(tokens[1])) == ""
    assert await reason(small, None, EXCHANGE, id_token=tokens[1]) == "CREDENTIAL_INVALID"


def _other(token: str) -> str:
    """The same token with another signature, made without the key."""
    content, _, signature = token.rpartition(".")
    both = base64.urlsafe_b64decode(signature + "==")
    other = both[:32] + (ORDER - int.from_bytes(both[32:])).to_bytes(32)
    return f"{content}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}"


async def test_a_token_that_was_used_is_known_again_under_another_pepper(
    here: Place, issuer: Issuer, tmp_path: Path, clock: MovableClock
) -> None:
    await trusting(here, for_users(issuer), "company")
    used, unused = issuer.id_token(), issuer.id_token()
    assert await reason(here, None, EXCHANGE, id_token=used) == ""
    await rotate_pepper(tmp_path / "towpath.db", SEALING)
    clock.move(PUBLISHED_SECONDS + 1)
    await here.authority.open()
    assert here.authority.ring.peppers.current == 2
    assert await reason(here, None, EXCHANGE, id_token=used) == "CREDENTIAL_INVALID"
    assert await reason(here, None, EXCHANGE, id_token=unused) == ""
    assert await reason(here, None, EXCHANGE, id_token=unused) == "CREDENTIAL_INVALID"


async def test_who_is_no_member_enters_only_where_there_is_a_role_for_newcomers(
    here: Place, issuer: Issuer
) -> None:
    await trusting(here, for_users(issuer, default_role=""), "company")
    refused = await reason(here, None, EXCHANGE, id_token=issuer.id_token())
    assert refused == "PERMISSION_MISSING"
    issuer.email = "owner@example.org"
    answer = await here.call(None, EXCHANGE, id_token=issuer.id_token())
    assert answer.actor.principal == "users/owner@example.org"


async def test_tokens_that_a_trust_does_not_ask_for_are_refused(
    here: Place, issuer: Issuer
) -> None:
    account, _ = await here.account("runner")
    await trusting(here, for_account(issuer, account))
    await trusting(here, for_users(issuer), "company")
    _, other = await here.tenant("acme")
    now = int(time.time())
    fine = {"audience": "towpath", "sub": "repo:acme/etl"}
    refused = {
        "of another subject": issuer.token(audience="towpath", sub="repo:evil/etl"),
        "for another audience": issuer.token(audience="elsewhere", sub="repo:acme/etl"),
        "for two audiences": issuer.token(**{**fine, "audience": ["towpath", "other"]}),
        "of another issuer": issuer.token(**fine, iss="https://issuer.example"),
        "unverified address": issuer.id_token(email_verified=False),
        "no address": issuer.id_token(email="../../owner"),
        "from the future": issuer.token(**fine, iat=now + 300, exp=now + 600),
        "for too long": issuer.token(**fine, life=7200),
        "garbage": "a.b.c",
        "no token": "x",
        "an access token of ours": here.owner,
    }
    wrong = {
        name: found
        for name, token in refused.items()
        if (found := await reason(here, None, EXCHANGE, id_token=token)) != "CREDENTIAL_INVALID"
    }
    assert wrong == {}
    late = issuer.token(**fine, iat=now - 400, exp=now - 100)
    assert await reason(here, None, EXCHANGE, id_token=late) == "CREDENTIAL_EXPIRED"
    old = issuer.id_token(iat=now - 400, exp=now + 600)
    assert await reason(here, None, EXCHANGE, id_token=old) == "CREDENTIAL_EXPIRED"
    for tenant in ("acme", "nowhere"):
        there = await reason(here, None, EXCHANGE, id_token=issuer.token(**fine), tenant=tenant)
        assert there == "CREDENTIAL_INVALID"
    assert other


async def test_whoever_makes_a_trust_gives_no_more_than_they_have(
    here: Place, issuer: Issuer
) -> None:
    owner, _ = await here.account("owner")
    runner, _ = await here.account("runner")
    _, key = await here.user("admin")
    admin = await here.token(key)
    asked = "AccessService/CreateTrust"
    for trust in (for_account(issuer, owner), for_users(issuer)):
        assert await reason(here, admin, asked, trust_id="t", trust=trust) == "PERMISSION_MISSING"
    fine = for_account(issuer, runner)
    assert await reason(here, admin, asked, trust_id="t", trust=fine) == ""
    assert await reason(here, admin, asked, trust_id="t", trust=fine) == "RESOURCE_EXISTS"
    second = for_users(issuer)
    assert await reason(here, here.owner, asked, trust_id="a", trust=second) == ""
    assert await reason(here, here.owner, asked, trust_id="b", trust=second) == "RESOURCE_EXISTS"
    listed = await here.call(here.owner, "AccessService/ListTrusts")
    assert [trust.name for trust in listed.trusts] == ["trusts/a", "trusts/t"]


BAD: dict[str, dict[str, Any]] = {
    "plain": {"issuer": "http://issuer.example"},
    "of nobody": {"service_account": ""},
    "of two": {"users": {"client_id": "towpath"}},
    "everybody's": {"rules": []},
    "no subject": {"rules": [{"path": "aud", "value": "towpath"}]},
    "symmetric": {"algorithms": ["HS256"]},
    "unsigned": {"algorithms": ["none"]},
    "jwks_uri in plain": {"jwks_uri": "http://issuer.example/keys"},
    "file": {"jwks_uri": "file:///etc/passwd"},
    "with a user": {"issuer": "https://user@issuer.example"},
    "no key set": {"jwks": "[]"},
    "secret key": {"jwks": json.dumps({"keys": [{"kty": "oct", "k": "x", "kid": "1"}] * 40})},
    "of a user": {"service_account": "users/owner@example.org"},
    "of nothing": {"service_account": "serviceAccounts/none"},
    "path": {"rules": [{"path": "a..b", "value": "x"}]},
    "audiences": {"audiences": []},
}


@pytest.mark.parametrize("case", BAD)
async def test_a_trust_that_can_not_be_meant_is_refused(small: Place, case: str) -> None:
    account, _ = await small.account("runner")
    good = {
        "issuer": "https://issuer.example",
        "audiences": ["towpath"],
        "rules": [{"path": "sub", "value": "x"}],
        "service_account": account,
    }
    made = {"trust_id": "t", "trust": {**good, **BAD[case]}}
    refused = await reason(small, small.owner, "AccessService/CreateTrust", **made)
    expected = "RESOURCE_NOT_FOUND" if case in {"of a user", "of nothing"} else "INVALID_REQUEST"
    assert refused == expected
    assert not (await small.call(small.owner, "AccessService/ListTrusts")).trusts


async def test_an_issuer_on_loopback_is_trusted_only_where_the_operator_says_so(
    small: Place, issuer: Issuer
) -> None:
    account, _ = await small.account("runner")
    made = {"trust_id": "t", "trust": for_account(issuer, account)}
    refused = await reason(small, small.owner, "AccessService/CreateTrust", **made)
    assert refused == "INVALID_REQUEST"
    assert issuer.calls == []


async def test_keys_are_kept_and_a_new_one_is_looked_for(
    here: Place, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _ = await here.account("runner")
    await trusting(here, for_account(issuer, account))

    async def exchanged() -> str:
        token = issuer.token(audience="towpath", sub="repo:acme/etl")
        return await reason(here, None, EXCHANGE, id_token=token)

    assert await exchanged() == ""
    assert issuer.calls == ["/.well-known/openid-configuration", "/keys"]
    assert await exchanged() == ""
    assert len(issuer.calls) == 2
    issuer.add_key("k2")
    # Whoever presents tokens with ids of keys that aren't there makes this service call nobody.
    assert [await exchanged() for _ in range(3)] == ["CREDENTIAL_INVALID"] * 3
    assert len(issuer.calls) == 2
    monkeypatch.setattr(issuer_keys, "AGAIN_SECONDS", 0.0)
    assert await exchanged() == ""
    assert len(issuer.calls) == 4
    issuer.down = True
    monkeypatch.setattr(issuer_keys, "FRESH_SECONDS", 0.0)
    assert await exchanged() == ""
    monkeypatch.setattr(issuer_keys, "STALE_SECONDS", 0.0)
    assert await exchanged() == "OVERLOADED"
    issuer.down = False
    assert await exchanged() == ""


async def test_an_issuer_that_says_it_is_another_is_not_believed(
    here: Place, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _ = await here.account("runner")
    await trusting(here, for_account(issuer, account))
    monkeypatch.setattr(issuer, "discovery", lambda: {"issuer": "x", "jwks_uri": "https://x/k"})
    token = issuer.token(audience="towpath", sub="repo:acme/etl")
    assert await reason(here, None, EXCHANGE, id_token=token) == "OVERLOADED"
