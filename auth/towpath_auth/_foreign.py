"""What a tenant trusts of an issuer that is not ours, checked when it is written down.

A trust names the issuer, where its keys come from, for whom its tokens must be meant and what they
must say. Nothing of this is ever taken from a token.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from towpath_auth._errors import TrustRefused

ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
"""Signatures that are accepted: public keys only."""

MAX_AUDIENCES: Final = 3
MAX_LIFE_SECONDS: Final = 86_400
_SHARED_CLAIMS: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    r"""A claim that must be there with exactly this text.

    Attributes:
        path: Member names joined by dots; a dot of a name itself is written `\.`, a backslash
            `\\`: `kubernetes\.io.serviceaccount.uid`.
        value: Compared as text, character by character; other types never match.
    """

    path: str
    value: str

    def __post_init__(self) -> None:
        """Refuses a path that names nothing.

        Raises:
            TrustRefused: For a malformed path or an empty value.
        """
        claim_names(self.path)
        if not self.value:
            raise TrustRefused(f"The rule for {self.path!r} needs a value that is not empty.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToServiceAccount:
    """Whoever presents the token is this service account."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToUser:
    """Whoever presents the token is the user a claim names.

    Attributes:
        claim: Path of the claim, as in `ClaimRule`; "email" must be a verified one.
        default_role: The role of a user seen for the first time; empty: only those known may enter.
    """

    claim: str
    default_role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """An issuer whose tokens a tenant accepts, and as whom.

    Attributes:
        issuer: Compared exactly; https, or http to a loopback address with `allow_loopback`.
        maps_to: Who presents such a token.
        audiences: One to three; every audience of a token must be one of them.
        rules: All must match; at least one tells the issuer's subjects apart.
        algorithms: Signatures accepted of this issuer.
        jwks_uri: Where its keys are; without it and `jwks`, discovery says.
        jwks: Its keys as an uploaded JSON Web Key Set, for issuers nobody can reach.
        max_life_seconds: Tokens issued for longer are refused.
        allow_loopback: For tests and laptops.
        allow_private: Keys may be fetched from private addresses, for self-hosting.
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
        """Checks all that can be checked without a call.

        Raises:
            TrustRefused: With what to change.
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
    """The member names in a path, outermost first.

    Raises:
        TrustRefused: For an empty name, or a backslash before anything but a dot or a backslash.
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
    """Trusts the projected tokens of one Kubernetes service account.

    Args:
        issuer: The cluster's, as its tokens write it.
        audience: The one the projected token is requested for.
        namespace: Where the service account lives.
        service_account: Its name in the cluster.
        maps_to: The service account here.
        uid: Of the service account: one created anew under the same name is another.
        jwks: The cluster's keys, when it can't be reached from here.

    Raises:
        TrustRefused: With what to change.
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
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
