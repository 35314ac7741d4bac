"""The trust of a tenant in another issuer, checked when it is made.

A trust names the issuer, the source of its keys, and the audiences and claims that its tokens must
have. None of this is ever taken from a token.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from towpath_auth._addresses import is_loopback
from towpath_auth._errors import TrustRefused

ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
"""Algorithms that a trust may accept: signatures by private keys, no shared secrets."""

MAX_AUDIENCES: Final = 3
MAX_LIFE_SECONDS: Final = 86_400
"""The longest life of foreign tokens that a trust may accept."""

_SHARED_CLAIMS: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    r"""A claim that a token must have, with an exact text.

    Attributes:
        path: Member names joined by dots; a dot of a name itself is written `\.`, a backslash
            `\\`: `kubernetes\.io.serviceaccount.uid`.
        value: Compared as text, character by character; other types never match.
    """

    path: str
    value: str

    def __post_init__(self) -> None:
        """Checks the rule.

        Raises:
            TrustRefused: The path is malformed, or the value is empty.
        """
        claim_names(self.path)
        if not self.value:
            raise TrustRefused(f"The rule for {self.path!r} needs a value that is not empty.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToServiceAccount:
    """Tokens stand for a service account."""

    name: str
    """The name of the service account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToUser:
    """Tokens stand for the user that a claim names.

    Attributes:
        claim: Path of the claim, as in `ClaimRule`; an "email" must be verified by the issuer.
        default_role: The role of a user seen for the first time; empty: only known users enter.
    """

    claim: str
    default_role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The trust of a tenant in an issuer.

    Attributes:
        issuer: URL of the issuer, compared exactly: https, or http to a loopback address with
            `allow_loopback`.
        maps_to: The principal that its tokens stand for.
        audiences: One to three; every audience of a token must be one of them.
        rules: Claims that must all match; at least one tells the issuer's subjects apart.
        algorithms: Signatures accepted of this issuer.
        jwks_uri: URL of its keys; without it and `jwks`, OpenID Connect discovery finds them.
        jwks: Its keys as an uploaded JSON Web Key Set, for issuers that the service can't reach.
        max_life_seconds: The longest life of a token that is accepted.
        allow_loopback: Whether the issuer may be on this machine, for tests and laptops.
        allow_private: Whether keys may be fetched from private addresses, for self-hosting.
    """

    issuer: str
    maps_to: ToServiceAccount | ToUser
    audiences: tuple[str, ...]
    rules: tuple[ClaimRule, ...] = ()
    algorithms: frozenset[str] = frozenset({"RS256"})
    jwks_uri: str | None = None
    jwks: str | None = None
    max_life_seconds: int = 3600
    allow_loopback: bool = False
    allow_private: bool = False

    def __post_init__(self) -> None:
        """Checks everything that can be checked without a call to the issuer.

        Raises:
            TrustRefused: The trust can't be accepted; the text says what to change.
        """
        _check_url("issuer", self.issuer, allow_loopback=self.allow_loopback)
        if self.jwks_uri is not None:
            _check_url("jwks_uri", self.jwks_uri, allow_loopback=self.allow_loopback)
        if self.jwks_uri is not None and self.jwks is not None:
            raise TrustRefused("Give either jwks_uri or an uploaded jwks, not both.")
        self._check_contents()
        self._check_subject()

    def _check_contents(self) -> None:
        if not 1 <= len(set(self.audiences)) <= MAX_AUDIENCES or not all(self.audiences):
            raise TrustRefused("Name one to three audiences, none of them empty.")
        if not self.algorithms or not self.algorithms <= ALGORITHMS:
            raise TrustRefused(f"Choose algorithms out of {', '.join(sorted(ALGORITHMS))}.")
        if not 1 <= self.max_life_seconds <= MAX_LIFE_SECONDS:
            raise TrustRefused(f"Set max_life_seconds to 1 up to {MAX_LIFE_SECONDS}.")

    def _check_subject(self) -> None:
        identifying = [rule for rule in self.rules if rule.path not in _SHARED_CLAIMS]
        if isinstance(self.maps_to, ToUser):
            if claim_names(self.maps_to.claim)[0] in _SHARED_CLAIMS:
                raise TrustRefused("Map to users by a claim that names one, such as sub.")
        elif not self.maps_to.name or not identifying:
            raise TrustRefused(
                "Name the service account, and add a rule for a claim that identifies who may be "
                "it, such as sub: without one, every subject of the issuer would be."
            )


def claim_names(path: str) -> tuple[str, ...]:
    """Splits the path of a claim.

    Args:
        path: The path, as in `ClaimRule`.

    Returns:
        The member names, outermost first.

    Raises:
        TrustRefused: A name is empty, or a backslash stands before something other than a dot or
            a backslash.
    """
    names: list[str] = []
    name, rest = "", iter(path)
    for character in rest:
        if character == ".":
            names.append(name)
            name = ""
            continue
        escaped = next(rest, "") if character == "\\" else character
        if character == "\\" and escaped not in {".", "\\"}:
            raise TrustRefused(f"Write \\\\ for a backslash and \\. for a dot in {path!r}.")
        name += escaped
    names.append(name)
    if not all(names):
        raise TrustRefused(f"Remove the empty name from the claim path {path!r}.")
    return tuple(names)


def kubernetes_trust(
    *,
    issuer: str,
    audience: str,
    namespace: str,
    service_account: str,
    maps_to: str,
    uid: str | None = None,
    jwks: str | None = None,
) -> Trust:
    """Makes a trust in the projected tokens of one Kubernetes service account.

    Args:
        issuer: The issuer of the cluster, as its tokens write it.
        audience: The audience that the projected token is requested for.
        namespace: The namespace of the service account in the cluster.
        service_account: Its name in the cluster.
        maps_to: The service account of Towpath that its tokens stand for.
        uid: The uid of the service account, so that another one under the same name is refused.
        jwks: The cluster's keys, when the service can't reach the cluster.

    Raises:
        TrustRefused: The trust can't be accepted; the text says what to change.
    """
    if not namespace or not service_account or ":" in namespace + service_account:
        raise TrustRefused("Give namespace and service account by their names, without colons.")
    subject = f"system:serviceaccount:{namespace}:{service_account}"
    rules = [ClaimRule(path="sub", value=subject)]
    if uid is not None:
        rules.append(ClaimRule(path=r"kubernetes\.io.serviceaccount.uid", value=uid))
    return Trust(
        issuer=issuer,
        maps_to=ToServiceAccount(name=maps_to),
        audiences=(audience,),
        rules=tuple(rules),
        jwks=jwks,
    )


def _check_url(field: str, url: str, *, allow_loopback: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise TrustRefused(f"Correct {field}: {url!r} is not a URL.") from error
    if not host or parts.username is not None or parts.query or parts.fragment or not _plain(url):
        raise TrustRefused(f"Write {field} as https://host/path, without user, query or fragment.")
    if parts.scheme == "https" or (parts.scheme == "http" and allow_loopback and _loopback(host)):
        return
    raise TrustRefused(
        f"Use https for {field}; http is for this machine, where the server says --private-issuers."
    )


def _plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and not set(url) & set(" \\#?@")


def _loopback(host: str) -> bool:
    try:
        return is_loopback(ipaddress.ip_address(host))
    except ValueError:
        return host == "localhost"
