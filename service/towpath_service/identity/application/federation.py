"""Exchanges tokens of trusted issuers for access tokens of this service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath_auth import CredentialRefused
from towpath_auth.foreign import claimed_issuer

from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.authority import check_standing, refused
from towpath_service.identity.application.rights import roles_by_id
from towpath_service.identity.application.sign_in import SIGN_IN_SECONDS, NewLogin, SignedIn
from towpath_service.identity.application.tenants import FIRST_SLUG
from towpath_service.identity.domain.principals import (
    Binding,
    Principal,
    UserTrust,
    new_id,
    parse_principal,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_auth.foreign import ForeignIdentity

    from towpath_service.core.clock import Clock
    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.application.sign_in import SignIns
    from towpath_service.identity.application.trusts import Trusts
    from towpath_service.identity.domain.principals import StoredTrust
    from towpath_service.identity.ports.issuers import IssuerTokens
    from towpath_service.identity.ports.store import Identity, IdentityStore, Standing

FRESH_SECONDS: Final = 300
"""Greatest age of an ID token at sign-in."""

_USED_AGAIN_US: Final = 60_000_000
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInOptions:
    """The issuer and client that users of a tenant sign in with."""

    issuer: str
    users: UserTrust


class Federation:
    """Exchanges tokens of other issuers, for one installation."""

    def __init__(
        self,
        store: IdentityStore,
        authority: Authority,
        trail: AuditTrail,
        sign_ins: SignIns,
        trusts: Trusts,
        issuers: IssuerTokens,
        clock: Clock,
        tenant_limits: TenantLimits,
    ) -> None:
        self._store = store
        self._authority = authority
        self._trail = trail
        self._sign_ins = sign_ins
        self._trusts = trusts
        self._issuers = issuers
        self._clock = clock
        self._tenant_limits = tenant_limits

    async def exchange(
        self, token: str, tenant: str, permissions: Collection[str], address: str = ""
    ) -> SignedIn:
        """Exchanges a token of an issuer that a tenant trusts.

        Args:
            token: A JWT in compact form.
            tenant: The tenant's slug; empty for the first one.
            permissions: What the access token is limited to; empty for all.
            address: The address that the call comes from.

        Raises:
            ServiceError: CREDENTIAL_INVALID, _EXPIRED or _REVOKED; TENANT_SUSPENDED; OVERLOADED if
                the issuer's keys can't be fetched; PERMISSION_MISSING for a user who isn't a
                member; QUOTA_EXCEEDED.
        """
        try:
            issuer = claimed_issuer(token)
            tenant_id, trusts = await self._trusts_of(tenant)
            trust, found = await self._verified(
                tenant_id, token, [trust for trust in trusts if trust.issuer == issuer]
            )
        except CredentialRefused as error:
            raise refused(error) from error
        self._tenant_limits.check_exchange(tenant_id)
        if trust.users is not None:
            return await self._sign_in(tenant_id, trust, found, token, permissions, address)
        return await self._as_account(tenant_id, trust, found, permissions, address)

    async def options(self, tenant: str) -> SignInOptions | None:
        """How users of a tenant sign in; None when there is no such tenant, or it has no issuer."""
        _, trusts = await self._trusts_of(tenant)
        for trust in trusts:
            if trust.users is not None:
                return SignInOptions(issuer=trust.issuer, users=trust.users)
        return None

    async def _trusts_of(self, slug: str) -> tuple[str, list[StoredTrust]]:
        tenant = await self._store.installation(
            lambda installation: installation.tenants.find(slug or FIRST_SLUG)
        )
        # An unknown tenant takes the same reads as a known one, so that timing doesn't reveal it.
        tenant_id = new_id() if tenant is None else tenant.tenant_id
        return tenant_id, await self._store.tenant(
            tenant_id, lambda identity: identity.trusts.all()
        )

    async def _verified(
        self, tenant_id: str, token: str, trusts: list[StoredTrust]
    ) -> tuple[StoredTrust, ForeignIdentity]:
        refusal = CredentialRefused()
        now = self._clock.now_us() / _SECOND
        for trust in trusts:
            try:
                return trust, await self._issuers.verify(
                    token, self._trusts.checked(trust), now, tenant_id=tenant_id
                )
            except CredentialRefused as error:
                if error.reason == "CREDENTIAL_EXPIRED":
                    refusal = error
        raise refusal

    async def _as_account(
        self,
        tenant_id: str,
        trust: StoredTrust,
        found: ForeignIdentity,
        permissions: Collection[str],
        address: str,
    ) -> SignedIn:
        now_us, credential_id = self._clock.now_us(), trust.credential_id or ""

        def work(identity: Identity) -> Standing | None:
            standing = identity.standing(credential_id)
            if standing is not None and (standing.key.used_us or 0) < now_us - _USED_AGAIN_US:
                identity.keys.change(credential_id, used_us=now_us)
            return standing

        standing = await self._store.tenant(tenant_id, work)
        if standing is None:
            raise refused(CredentialRefused("CREDENTIAL_REVOKED"))
        check_standing(standing, now_us)
        scopes = frozenset(permissions) if permissions else None
        exchanged = self._authority.issue(
            standing, now_us, scopes=scopes, address=address, until=found.expires_at
        )
        return SignedIn(exchanged=exchanged)

    async def _sign_in(
        self,
        tenant_id: str,
        trust: StoredTrust,
        found: ForeignIdentity,
        token: str,
        permissions: Collection[str],
        address: str,
    ) -> SignedIn:
        now_us = self._clock.now_us()
        if found.issued_at < now_us // _SECOND - FRESH_SECONDS:
            raise refused(CredentialRefused("CREDENTIAL_EXPIRED"))
        # The id comes from the signed content, so each token is exchanged once. The signature is
        # left out: several valid ones can exist for one content, and a holder can make another.
        signed = token.rpartition(".")[0]
        key_id, *others = self._authority.ring.peppers.key_ids_for(signed)

        def work(identity: Identity) -> bool:
            identity.tenant.touch()
            if any(identity.keys.find(other) for other in others):
                return False
            user = self._user(identity, trust, found)
            login = NewLogin(
                key_id=key_id,
                principal=user,
                display_name=trust.name,
                ends_us=now_us + SIGN_IN_SECONDS * _SECOND,
                trust_id=trust.trust_id,
            )
            if not self._sign_ins.add(identity, login):
                return False
            standing = identity.standing(key_id)
            assert standing is not None
            check_standing(standing, now_us)
            self._trail.add(identity, standing, action="auth.login", outcome="OK", address=address)
            return True

        if not await self._store.tenant(tenant_id, work):
            raise refused(CredentialRefused())
        signed_in = await self._sign_ins.first(tenant_id, key_id, permissions, address)
        if signed_in is None:
            raise refused(CredentialRefused())
        return signed_in

    def _user(self, identity: Identity, trust: StoredTrust, found: ForeignIdentity) -> Principal:
        assert trust.users is not None
        try:
            _, handle = parse_principal(f"users/{found.user}", "id_token")
        except ServiceError as error:
            raise refused(CredentialRefused()) from error
        known = identity.principals.find("user", handle)
        if known is not None:
            return known
        role = roles_by_id(identity.roles.all()).get(trust.users.default_role)
        if role is None:
            raise _stranger(handle)
        user = Principal(
            principal_id=new_id(),
            kind="user",
            handle=handle,
            display_name="",
            created_us=self._clock.now_us(),
        )
        identity.principals.add(user)
        identity.bindings.add(
            Binding(
                principal_id=user.principal_id,
                role_id=role.role_id,
                workspace_id="",
                created_by=trust.name,
                created_us=user.created_us,
            )
        )
        return user


def _stranger(handle: str) -> ServiceError:
    return ServiceError(
        reason="PERMISSION_MISSING",
        message=f"{handle} is no member of this tenant: ask an owner of it to add you",
        metadata={"permission": "tenant.read", "resource": ""},
    )
