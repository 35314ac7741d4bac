"""The claims of an access token (RFC 9068): who calls, by which credential, for how long.

Permissions aren't among them. The service looks those up, so that a role taken away is gone within
seconds, and a token stays small however many workspaces its principal may enter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from towpath_auth._errors import CredentialRefused
from towpath_auth._validity import LEEWAY_SECONDS, check_validity

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LIFE_SECONDS: Final = 900
"""Longest that a token may live."""

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SHAPES: Final = {
    "sub": re.compile(rf"(users|serviceAccounts|runs)/{_UUID}"),
    "tid": re.compile(_UUID),
    "sid": re.compile(r"[0-9A-Za-z-]{1,64}"),
    "client_id": re.compile(r"[0-9A-Za-z:._-]{1,128}"),
    "jti": re.compile(_UUID),
}
_TIMES: Final = ("iat", "nbf", "exp")
_RUN: Final = re.compile(_UUID)
_REQUIRED: Final = frozenset({"iss", "aud", "ep", *_SHAPES, *_TIMES})
_OPTIONAL: Final = frozenset({"scope", "run"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGrant:
    """The one run, and the attempt of it, that a run token is for."""

    workspace_id: str
    run_id: str
    """UUID of the run."""
    attempt: int
    """Number of the attempt, from 1."""
    fence: int = 0
    """Fence of the lease that the attempt executes under, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """The claims of an access token (RFC 9068)."""

    principal: str
    """`sub`: "users/{uuid}", "serviceAccounts/{uuid}" or "runs/{uuid}"."""
    tenant_id: str
    """`tid`."""
    credential_id: str
    """`sid`: the API key or session that the token was exchanged for; revocation names it."""
    client_id: str
    """The program that the principal uses: "key:..." or "cli"."""
    epoch: int
    """`ep`: the principal's epoch when the token was made. Each change of its rights raises it."""
    issued_at: int
    """`iat`, seconds since the Unix epoch."""
    expires_at: int
    """`exp`, seconds since the Unix epoch."""
    token_id: str
    """`jti`."""
    scopes: frozenset[str] | None = None
    """Permissions that the token is limited to; None for all that its principal has."""
    run: RunGrant | None = None
    """The run that the token is for; None for tokens of users and service accounts."""


def to_json(claims: AccessClaims, *, issuer: str, audience: str) -> dict[str, Any]:
    """Writes claims as a token carries them.

    Args:
        claims: The claims.
        issuer: `iss`.
        audience: `aud`.
    """
    content: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": claims.principal,
        "tid": claims.tenant_id,
        "sid": claims.credential_id,
        "client_id": claims.client_id,
        "ep": claims.epoch,
        "iat": claims.issued_at,
        "nbf": claims.issued_at,
        "exp": claims.expires_at,
        "jti": claims.token_id,
    }
    if claims.scopes is not None:
        content["scope"] = " ".join(sorted(claims.scopes))
    if claims.run is not None:
        grant = claims.run
        content["run"] = {
            "ws": grant.workspace_id,
            "id": grant.run_id,
            "att": grant.attempt,
            "fen": grant.fence,
        }
    return content


def from_json(
    content: Mapping[str, Any], *, issuer: str, audience: str, now: float
) -> AccessClaims:
    """Reads claims whose signature is known to be good.

    Args:
        content: The claims as the token carries them.
        issuer: The `iss` that they must have.
        audience: The `aud` that they must have.
        now: The time, in seconds since the Unix epoch.

    Raises:
        CredentialRefused: CREDENTIAL_EXPIRED, or CREDENTIAL_INVALID for everything else.
    """
    if not _REQUIRED <= content.keys() <= _REQUIRED | _OPTIONAL:
        raise CredentialRefused
    if (content["iss"], content["aud"]) != (issuer, audience):
        raise CredentialRefused
    for name, shape in _SHAPES.items():
        if not isinstance(content[name], str) or shape.fullmatch(content[name]) is None:
            raise CredentialRefused
    # A bool is an int to isinstance, and no time.
    if any(type(content[name]) is not int for name in (*_TIMES, "ep")):
        raise CredentialRefused
    _check_times(content, now)
    return AccessClaims(
        principal=content["sub"],
        tenant_id=content["tid"],
        credential_id=content["sid"],
        client_id=content["client_id"],
        epoch=content["ep"],
        issued_at=content["iat"],
        expires_at=content["exp"],
        token_id=content["jti"],
        scopes=_scopes(content),
        run=_run(content),
    )


def _check_times(content: Mapping[str, Any], now: float) -> None:
    issued_at, valid_from, expires_at = (content[name] for name in _TIMES)
    check_validity(
        issued_at=issued_at,
        valid_from=valid_from,
        expires_at=expires_at,
        longest_seconds=MAX_LIFE_SECONDS,
        now=now,
    )
    if expires_at + LEEWAY_SECONDS < now:
        raise CredentialRefused("CREDENTIAL_EXPIRED")


def _scopes(content: Mapping[str, Any]) -> frozenset[str] | None:
    if "scope" not in content:
        return None
    if not isinstance(content["scope"], str):
        raise CredentialRefused
    return frozenset(content["scope"].split())


def _run(content: Mapping[str, Any]) -> RunGrant | None:
    if "run" not in content:
        if content["sub"].startswith("runs/"):
            raise CredentialRefused
        return None
    match content["run"]:
        case {
            "ws": str(workspace_id),
            "id": str(run_id),
            "att": int(attempt),
            "fen": int(fence),
            **rest,
        } if not rest and _RUN.fullmatch(run_id) and content["sub"] == f"runs/{run_id}":
            return RunGrant(workspace_id=workspace_id, run_id=run_id, attempt=attempt, fence=fence)
        case _:
            raise CredentialRefused
