"""Converts trusts between the contract and the domain; used by the trust handler."""

from __future__ import annotations

from typing import Final

from towpath.api.v1 import access_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.identity.domain.principals import StoredTrust, UserTrust, parse_named
from towpath_service.rpc.times import set_time

_ALGORITHMS: Final = ("RS256",)
_CLAIM: Final = "email"
_SCOPES: Final = ("openid", "email")


def from_trust(trust_id: str, message: pb.Trust) -> StoredTrust:
    """The trust of a request.

    Raises:
        ServiceError: INVALID_REQUEST: it is for neither or both of a service account and users.
    """
    has_users = message.HasField("users")
    if has_users is bool(message.service_account):
        raise invalid("trust", "give either service_account or users")
    return StoredTrust(
        trust_id=trust_id,
        issuer=message.issuer,
        audiences=tuple(message.audiences),
        rules=tuple((rule.path, rule.value) for rule in message.rules),
        algorithms=tuple(message.algorithms) or _ALGORITHMS,
        jwks_uri=message.jwks_uri or None,
        jwks=message.jwks or None,
        service_account=message.service_account or None,
        users=_users(message.users) if has_users else None,
        credential_id=None,
        created_by="",
        created_us=0,
    )


def to_trust(trust: StoredTrust) -> pb.Trust:
    """A trust as a message."""
    answer = pb.Trust(
        name=trust.name,
        issuer=trust.issuer,
        audiences=trust.audiences,
        rules=[pb.ClaimRule(path=path, value=value) for path, value in trust.rules],
        algorithms=trust.algorithms,
        jwks_uri=trust.jwks_uri or "",
        jwks=trust.jwks or "",
        service_account=trust.service_account or "",
        creator=trust.created_by,
    )
    if trust.users is not None:
        users = trust.users
        role = f"roles/{users.default_role}" if users.default_role else ""
        answer.users.claim, answer.users.default_role = users.claim, role
        answer.users.client_id = users.client_id
        answer.users.scopes.extend(users.scopes)
    set_time(answer.create_time, trust.created_us)
    return answer


def _users(message: pb.UserTrust) -> UserTrust:
    role = message.default_role
    return UserTrust(
        claim=message.claim or _CLAIM,
        default_role=parse_named(role, "roles", "trust.users.default_role") if role else "",
        client_id=message.client_id,
        scopes=tuple(message.scopes) or _SCOPES,
    )
