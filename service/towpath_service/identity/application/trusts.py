"""The other issuers that a tenant trusts, and for what purpose; used by the trust handler.

A caller can't make a trust that gives more than it has. For a service account it needs that
account's roles; for users it needs the right to make owners, since an issuer could name one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from towpath_auth.credentials import new_key_id
from towpath_auth.foreign import (
    ClaimRule,
    ToServiceAccount,
    ToUser,
    Trust,
    TrustRefused,
    keys_of,
)

from towpath_service.core.errors import ServiceError, denied, invalid, not_found
from towpath_service.identity.application.rights import check_covers, known_role, roles_by_id
from towpath_service.identity.domain.principals import (
    StoredKey,
    exists,
    parse_named,
    parse_principal,
)

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.domain.principals import Principal, StoredTrust
    from towpath_service.identity.ports.store import Identity, IdentityStore

MOST_TRUSTS: Final = 100


class Trusts:
    """Manages the trusts of tenants."""

    def __init__(
        self, store: IdentityStore, trail: AuditTrail, clock: Clock, *, private: bool = False
    ) -> None:
        """Takes the store, the audit trail and the clock.

        Args:
            store: Keeps the trusts.
            trail: Records changes of trusts.
            clock: The time.
            private: Whether issuers may be on this machine or in private networks.
        """
        self._store = store
        self._trail = trail
        self._clock = clock
        self._private = private

    async def create(self, caller: Caller, asked: StoredTrust) -> StoredTrust:
        """Makes a trust.

        Raises:
            ServiceError: INVALID_REQUEST, RESOURCE_EXISTS, RESOURCE_NOT_FOUND, QUOTA_EXCEEDED or
                PERMISSION_MISSING.
        """
        trust = replace(asked, created_by=caller.principal, created_us=self._clock.now_us())
        self.checked(trust)

        def work(identity: Identity) -> StoredTrust:
            if len(identity.trusts.all()) >= MOST_TRUSTS:
                raise _too_many()
            made = trust
            if trust.users is None:
                account = _account(identity, caller, trust.service_account or "")
                made = replace(trust, credential_id=new_key_id())
                identity.keys.add(_credential(made, account))
            else:
                _check_users(identity, caller, trust)
            if not identity.trusts.add(made):
                raise exists(trust.name)
            return made

        return await self._trail.change(caller.tenant_id, work)

    async def trusts(self, caller: Caller) -> list[StoredTrust]:
        """All trusts of the caller's tenant, by id."""
        return await self._store.tenant(caller.tenant_id, lambda identity: identity.trusts.all())

    async def delete(self, caller: Caller, name: str) -> None:
        """Deletes a trust and revokes the logins made by it; raises RESOURCE_NOT_FOUND."""
        trust_id = parse_named(name, "trusts", "name")

        def work(identity: Identity) -> None:
            if not identity.trusts.remove(trust_id):
                raise not_found(name)
            identity.keys.end_of_trust(trust_id, self._clock.now_us())

        await self._trail.change(caller.tenant_id, work)

    def checked(self, stored: StoredTrust) -> Trust:
        """A stored trust in the form that tokens are verified against.

        Raises:
            ServiceError: INVALID_REQUEST: the trust has invalid or unsafe terms.
        """
        users = stored.users
        try:
            if stored.jwks is not None:
                keys_of(stored.jwks.encode())
            return Trust(
                issuer=stored.issuer,
                maps_to=ToServiceAccount(name=stored.service_account or "")
                if users is None
                else ToUser(claim=users.claim, default_role=users.default_role),
                audiences=stored.audiences,
                rules=tuple(ClaimRule(path=path, value=value) for path, value in stored.rules),
                algorithms=frozenset(stored.algorithms),
                jwks_uri=stored.jwks_uri,
                jwks=stored.jwks,
                allow_loopback=self._private,
                allow_private=self._private,
            )
        except TrustRefused as error:
            raise invalid("trust", str(error)) from error


def _account(identity: Identity, caller: Caller, name: str) -> Principal:
    kind, handle = parse_principal(name, "trust.service_account")
    found = identity.principals.find(kind, handle) if kind == "service_account" else None
    if found is None:
        raise not_found(name)
    roles = roles_by_id(identity.roles.all())
    for binding in identity.bindings.all():
        if binding.principal_id == found.principal_id and binding.role_id in roles:
            check_covers(caller, roles[binding.role_id], binding.workspace_id)
    return found


def _check_users(identity: Identity, caller: Caller, trust: StoredTrust) -> None:
    assert trust.users is not None
    if "owner.grant" not in caller.access.tenant:
        raise denied("owner.grant", "")
    if trust.users.client_id not in trust.audiences:
        raise invalid("trust.users.client_id", "must be one of the audiences, too")
    if any(other.users is not None for other in identity.trusts.all()):
        raise ServiceError(
            reason="RESOURCE_EXISTS",
            message="people of this tenant sign in by another trust already: delete that one first",
            metadata={"resource": trust.name},
        )
    if trust.users.default_role:
        name = f"roles/{trust.users.default_role}"
        check_covers(caller, known_role(identity, name, "trust.users.default_role"), "")


def _credential(trust: StoredTrust, account: Principal) -> StoredKey:
    assert trust.credential_id is not None
    return StoredKey(
        key_id=trust.credential_id,
        principal_id=account.principal_id,
        display_name=trust.name,
        # Only the trust leads to this credential: no text has this digest.
        digest="",
        pepper_version=0,
        scopes=None,
        workspaces=None,
        created_by=trust.created_by,
        created_us=trust.created_us,
        expires_us=None,
        kind="trust",
        trust_id=trust.trust_id,
    )


def _too_many() -> ServiceError:
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=f"the tenant has {MOST_TRUSTS} trusts: delete one first",
        metadata={"quota": "trusts", "limit": str(MOST_TRUSTS)},
    )
