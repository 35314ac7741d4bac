"""Access tokens made to deceive, of a good one and the key that signed it."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.unit.auth.tokens import content_of, encoded, header_of

if TYPE_CHECKING:
    from towpath_auth.credentials import SigningKey

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True, kw_only=True)
class Forger:
    """Makes others of a good token, with good signatures where nothing else is said."""

    key: SigningKey
    """The one that the service signs with: only then does a refusal tell of the attack."""
    good: str
    foreign: str
    """The same claims, signed by a key that the service doesn't have."""
    ahead_seconds: int = 61
    """How far ahead a clock has to be to be disbelieved."""

    @property
    def header(self) -> dict[str, Any]:
        """Of the good one."""
        return header_of(self.good)

    @property
    def content(self) -> dict[str, Any]:
        """Of the good one."""
        return content_of(self.good)

    @property
    def ahead(self) -> int:
        """A time that is too far ahead."""
        return int(self.content["iat"]) + self.ahead_seconds

    def signed(self, header: bytes | dict[str, Any], content: bytes | dict[str, Any]) -> str:
        """A token with any header and content, and a good signature."""
        parts = (
            part if isinstance(part, bytes) else json.dumps(part).encode()
            for part in (header, content)
        )
        body = ".".join(map(encoded, parts))
        return f"{body}.{encoded(self.key.private.sign(body.encode()))}"

    def head(self, **changes: Any) -> str:
        return self.signed({**self.header, **changes}, self.content)

    def claim(self, **changes: Any) -> str:
        return self.signed(self.header, {**self.content, **changes})

    def without(self, *names: str, of: str = "content") -> str:
        parts = {"header": self.header, "content": self.content}
        for name in names:
            del parts[of][name]
        return self.signed(parts["header"], parts["content"])

    def raw_claim(self, text: str) -> str:
        """The content with a further member written by hand."""
        content = json.dumps(self.content)[:-1].encode() + b"," + text.encode() + b"}"
        return self.signed(self.header, content)

    def hs256(self, secret: bytes) -> str:
        header = encoded(json.dumps({**self.header, "alg": "HS256"}).encode())
        body = f"{header}.{self.good.split('.')[1]}"
        return f"{body}.{encoded(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"

    def unsigned(self, alg: str) -> str:
        header = encoded(json.dumps({**self.header, "alg": alg}).encode())
        return f"{header}.{self.good.split('.')[1]}."


def other_spelling(text: str) -> str:
    """The same bytes, with other bits in what the last character has to spare."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


def attacks(of: Forger) -> dict[str, str]:
    """Tokens that are to be refused, by what is wrong with them."""
    key, good, foreign = of.key, of.good, of.foreign
    now, uuid = int(of.content["iat"]), str(of.content["sub"]).partition("/")[2]
    tenant = str(of.content["tid"])
    public_pem = key.public.key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    public_raw = key.public.key.public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    return {
        "empty": "",
        "one segment": good.split(".", maxsplit=1)[0],
        "two segments": good.rpartition(".")[0],
        "four segments": f"{good}.{good.split('.')[2]}",
        "five segments, as encrypted tokens have": f"{good}.AAAA.AAAA",
        "no signature": f"{good.rpartition('.')[0]}.",
        "padded": f"{good}==",
        "a line feed at the end": f"{good}\n",
        "a space before": f" {good}",
        "another letter of Unicode": good.replace("e", "\N{CYRILLIC SMALL LETTER IE}", 1),
        "the signature spelled differently": other_spelling(good),
        "5 KiB": good + "A" * 5120,
        "another's signature": good.rpartition(".")[0] + "." + foreign.rpartition(".")[2],
        "signed by another key": foreign,
        "algorithm none": of.unsigned("none"),
        "algorithm None": of.unsigned("None"),
        "algorithm none, with a signature": of.head(alg="none"),
        "algorithm in lower case": of.head(alg="eddsa"),
        "algorithm of its curve": of.head(alg="Ed25519"),
        "algorithm empty": of.head(alg=""),
        "algorithm a list": of.head(alg=["EdDSA"]),
        "algorithm missing": of.without("alg", of="header"),
        "HS256 under the public key in PEM": of.hs256(public_pem),
        "HS256 under the raw public key": of.hs256(public_raw),
        "HS256 under nothing": of.hs256(b""),
        "RS256": jwt.encode(of.content, RSA, "RS256", {"typ": "at+jwt", "kid": key.kid}),
        "PS256": jwt.encode(of.content, RSA, "PS256", {"typ": "at+jwt", "kid": key.kid}),
        "ES256": jwt.encode(of.content, EC, "ES256", {"typ": "at+jwt", "kid": key.kid}),
        "type JWT, as id tokens have": of.head(typ="JWT"),
        "type in capitals": of.head(typ="AT+JWT"),
        "type with its prefix": of.head(typ="application/at+jwt"),
        "type missing": of.without("typ", of="header"),
        "key id unknown": of.head(kid="unknown"),
        "key id a path": of.head(kid="../../dev/null"),
        "key id of SQL": of.head(kid="' OR 1=1 --"),
        "key id a number": of.head(kid=1),
        "key id a list": of.head(kid=[key.kid]),
        "key id an object": of.head(kid={"kid": key.kid}),
        "key id missing": of.without("kid", of="header"),
        "a key in the header": of.head(jwk=key.public.jwk),
        "a place of keys in the header": of.head(jku="https://evil.example/jwks.json"),
        "a place of certificates in the header": of.head(x5u="https://evil.example/cert.pem"),
        "certificates in the header": of.head(x5c=["AAAA"]),
        "a critical extension": of.head(crit=["exp"]),
        "an unencoded payload": of.head(b64=False),
        "a header twice over": of.signed(
            json.dumps(of.header)[:-1].encode() + b',"kid":"' + key.kid.encode() + b'"}', of.content
        ),
        "a header that is a list": of.signed(b"[]", of.content),
        "a header that is no JSON": of.signed(b"{", of.content),
        "a header that is no text": of.signed(b"\xff\xfe", of.content),
        "a header 1,000 deep": of.signed(b"[" * 1000 + b"]" * 1000, of.content),
        "a content that is a list": of.signed(of.header, b"[]"),
        "a content that is no JSON": of.signed(of.header, b"{"),
        "a content that is a number": of.signed(of.header, b"1"),
        "a content 900 deep": of.signed(of.header, b'{"a":' * 450 + b"1" + b"}" * 450),
        "a subject twice": of.raw_claim(f'"sub":"users/{uuid}"'),
        "a tenant twice": of.raw_claim(f'"tid":"{tenant}"'),
        "an unknown claim": of.claim(admin=True),
        "no expiry": of.without("exp"),
        "expiry a text": of.claim(exp=str(now + 600)),
        "expiry a float": of.claim(exp=now + 600.0),
        "expiry true": of.claim(exp=True),
        "expiry null": of.claim(exp=None),
        "expiry NaN": of.signed(
            of.header, json.dumps({**of.content, "exp": float("nan")}).encode()
        ),
        "expiry without end": of.signed(
            of.header, json.dumps({**of.content, "exp": float("inf")}).encode()
        ),
        "expiry 1e308": of.signed(
            of.header, json.dumps(of.content).replace(str(now + 600), "1e308").encode()
        ),
        "expiry of 2,000 digits": of.signed(
            of.header, json.dumps(of.content).replace(str(now + 600), "9" * 2000).encode()
        ),
        "expiry in the year 9999": of.claim(exp=253_402_300_799),
        "a life of 901 seconds": of.claim(exp=now + 901),
        "a life of no seconds": of.claim(exp=now),
        "a life before its beginning": of.claim(exp=now - 5),
        "made 61 seconds from now": of.claim(iat=of.ahead, exp=now + 600),
        "valid from 61 seconds from now": of.claim(nbf=of.ahead),
        "made at a text": of.claim(iat=str(now)),
        "valid from a float": of.claim(nbf=float(now)),
        "no time of making": of.without("iat"),
        "no time of validity": of.without("nbf"),
        "issuer with a slash": of.claim(iss=f"{of.content['iss']}/"),
        "issuer with a suffix": of.claim(iss=f"{of.content['iss']}.evil.example"),
        "issuer a list": of.claim(iss=[of.content["iss"]]),
        "no issuer": of.without("iss"),
        "audience a list": of.claim(aud=[of.content["aud"]]),
        "another audience": of.claim(aud="towpath-web"),
        "no audience": of.without("aud"),
        "no subject": of.without("sub"),
        "subject a number": of.claim(sub=1),
        "subject of no kind": of.claim(sub=uuid),
        "subject with a line feed": of.claim(sub=f"users/{uuid}\n"),
        "subject in capitals": of.claim(sub=f"users/{uuid.upper()}"),
        "subject of another path": of.claim(sub=f"users/../{uuid}"),
        "no tenant": of.without("tid"),
        "tenant with full-width digits": of.claim(
            tid=tenant.replace("0", "\N{FULLWIDTH DIGIT ZERO}")
        ),
        "tenant with a line feed": of.claim(tid=f"{tenant}\n"),
        "no id of its own": of.without("jti"),
        "no credential": of.without("sid"),
        "credential of SQL": of.claim(sid="' OR 1=1 --"),
        "epoch a text": of.claim(ep="1"),
        "epoch true": of.claim(ep=True),
        "no epoch": of.without("ep"),
        "scope a list": of.claim(scope=["run.read"]),
        "a run's subject without its run": of.claim(sub=f"runs/{uuid}"),
        "a run for a user": of.claim(run={"ws": "default", "id": uuid, "att": 1, "fen": 1}),
        "a run that is another": of.claim(
            sub=f"runs/{uuid}",
            run={
                "ws": "default",
                "id": uuid[:-1] + ("1" if uuid[-1] == "0" else "0"),
                "att": 1,
                "fen": 1,
            },
        ),
        "a run with more to it": of.claim(
            sub=f"runs/{uuid}", run={"ws": "default", "id": uuid, "att": 1, "fen": 1, "all": True}
        ),
        "a run without an attempt": of.claim(sub=f"runs/{uuid}", run={"ws": "default", "id": uuid}),
        "a run that is a text": of.claim(sub=f"runs/{uuid}", run=uuid),
        "a run of no id": of.claim(
            sub="runs/x", run={"ws": "default", "id": "x", "att": 1, "fen": 1}
        ),
    }
