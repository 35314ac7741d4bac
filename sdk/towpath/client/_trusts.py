"""Trusts: issuers other than the service whose tokens the caller's tenant accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath.api.v1 import access_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import (
    last_segment,
    principal_name,
    role_name,
    to_time,
    trust_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    """A claim that a token must have."""

    path: str
    """Names of members joined by dots; a dot in a name is written `\\.`."""
    value: str
    """The text that the claim must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTrust:
    """How people sign in at an issuer."""

    client_id: str
    """Id of the public client that the command line is to the issuer."""
    claim: str = ""
    """Path of the claim with their e-mail address; empty for "email", which must be verified."""
    default_role: str = ""
    """Id of the role of a person who signs in for the first time; empty to admit members only."""
    scopes: tuple[str, ...] = ()
    """Scopes to ask the issuer for; empty for "openid" and "email"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """An issuer that the tenant trusts."""

    id: str
    """Its id, "company"."""
    issuer: str
    """`iss` of its tokens, exactly: an https URL."""
    audiences: tuple[str, ...]
    """`aud` of its tokens: each of a token's is one of these."""
    rules: tuple[ClaimRule, ...]
    algorithms: tuple[str, ...]
    """Signatures that are accepted, "RS256"."""
    jwks_uri: str
    """Where its keys are; empty: where its discovery document says, or in `jwks`."""
    jwks: str
    """Its keys as a JSON Web Key Set; empty when the service fetches them."""
    service_account: str
    """Id of the service account that its tokens stand for; empty when `users` is set."""
    users: UserTrust | None
    """How people sign in; None when its tokens stand for a service account."""
    creator: str
    """The principal that created the trust."""
    created: datetime


class Trusts(Subject):
    """Creates, lists and deletes trusts.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(
        self,
        id_: str,
        *,
        issuer: str,
        audiences: Sequence[str],
        service_account: str | None = None,
        users: UserTrust | None = None,
        rules: Iterable[ClaimRule] = (),
        algorithms: Iterable[str] = (),
        jwks_uri: str = "",
        jwks: str = "",
    ) -> Trust:
        """Creates a trust: for a service account, or for people who sign in.

        Args:
            id_: Id of the new trust: 1 to 63 of a-z, 0-9 and -.
            issuer: `iss` of its tokens, exactly: an https URL.
            audiences: One to three; each `aud` of a token must be one of them.
            service_account: Id of the service account that its tokens stand for.
            users: How people sign in; either this or `service_account`.
            rules: Claims that a token must have, at most 16.
            algorithms: Signatures to accept; empty for "RS256".
            jwks_uri: URL of its keys; empty to use its discovery document, or `jwks`.
            jwks: Its keys as a JSON Web Key Set, for an issuer that the service can't reach.

        Returns:
            The trust as created.

        Raises:
            Conflict: A trust has this id.
            NotFound: No such service account or role.
            NotSignedIn: The trust would permit more than the caller may do.
            InvalidRequest: The trust stands for both or neither, or isn't well-formed.
        """
        trust = pb.Trust(
            issuer=issuer,
            audiences=audiences,
            rules=[pb.ClaimRule(path=rule.path, value=rule.value) for rule in rules],
            algorithms=algorithms,
            jwks_uri=jwks_uri,
            jwks=jwks,
            service_account=principal_name(service_account),
            users=None if users is None else _to_message(users),
        )
        request = pb.CreateTrustRequest(trust_id=id_, trust=trust)
        answer = self._calls.unary("AccessService/CreateTrust", request, pb.CreateTrustResponse)
        return _convert_trust(answer.trust)

    def list(self) -> Iterator[Trust]:
        """Lists trusts by id.

        Returns:
            The trusts, fetched page by page.
        """
        request = pb.ListTrustsRequest(page_size=PAGE)
        for page in self._calls.pages("AccessService/ListTrusts", request, pb.ListTrustsResponse):
            yield from map(_convert_trust, page.trusts)

    def delete(self, trust: str) -> None:
        """Deletes a trust, and ends all tokens and logins that came of it.

        Args:
            trust: Its id.

        Raises:
            NotFound: No trust has this id.
        """
        request = pb.DeleteTrustRequest(name=trust_name(trust))
        self._calls.unary("AccessService/DeleteTrust", request, pb.DeleteTrustResponse)


def _to_message(users: UserTrust) -> pb.UserTrust:
    return pb.UserTrust(
        claim=users.claim,
        default_role=role_name(users.default_role),
        client_id=users.client_id,
        scopes=users.scopes,
    )


def _convert_trust(message: pb.Trust) -> Trust:
    return Trust(
        id=last_segment(message.name),
        issuer=message.issuer,
        audiences=tuple(message.audiences),
        rules=tuple(ClaimRule(path=rule.path, value=rule.value) for rule in message.rules),
        algorithms=tuple(message.algorithms),
        jwks_uri=message.jwks_uri,
        jwks=message.jwks,
        service_account=last_segment(message.service_account),
        users=_convert_users(message.users) if message.HasField("users") else None,
        creator=message.creator,
        created=to_time(message.create_time),
    )


def _convert_users(message: pb.UserTrust) -> UserTrust:
    return UserTrust(
        client_id=message.client_id,
        claim=message.claim,
        default_role=last_segment(message.default_role),
        scopes=tuple(message.scopes),
    )
