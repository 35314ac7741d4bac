"""Logins: credentials of people whose refresh token changes with every use.

Only the latest refresh token is valid. A used one that comes again means that the token was stolen,
so the login ends. Each token shows by itself that it was made for the login. A token is accepted
again for `GRACE_SECONDS` after its first use, as the response to that use may have been lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from towpath_auth import CredentialRefused
from towpath_auth.credentials import parse_api_key

from towpath_service.core.errors import not_found
from towpath_service.identity.application.authority import Exchanged, check_standing, refused
from towpath_service.identity.domain.principals import StoredKey, UsedToken

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_auth import Caller
    from towpath_auth.credentials import ApiKey, KeyKind

    from towpath_service.core.clock import Clock
    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.domain.principals import Principal
    from towpath_service.identity.ports.store import Identity, IdentityStore, Standing

GRACE_SECONDS: Final = 30
SIGN_IN_SECONDS: Final = 30 * 86_400
KEPT_TOKENS: Final = 32
"""How many used tokens are kept with the time of use; older ones are beyond the grace."""

_FORGET_US: Final = 86_400_000_000
_SECOND: Final = 1_000_000
_TRIES: Final = 5

Verdict = Literal["good", "stolen", "unknown", "raced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """An access token, and the refresh token if it is a login's."""

    exchanged: Exchanged
    refresh_token: str = field(default="", repr=False)
    ends_us: int | None = None
    """When the login ends; None for a token without a login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLogin:
    """A login to be made."""

    key_id: str
    principal: Principal
    display_name: str
    ends_us: int
    scopes: frozenset[str] | None = None
    workspaces: frozenset[str] | None = None
    trust_id: str | None = None
    """The trust that it was made by; None for none."""


class SignIns:
    """The logins of one installation."""

    def __init__(
        self,
        store: IdentityStore,
        authority: Authority,
        trail: AuditTrail,
        clock: Clock,
        tenant_limits: TenantLimits,
    ) -> None:
        self._store = store
        self._authority = authority
        self._trail = trail
        self._clock = clock
        self._tenant_limits = tenant_limits

    def add(self, identity: Identity, new: NewLogin) -> bool:
        """Makes a login without a refresh token yet; False when its id is taken."""
        now_us = self._clock.now_us()
        identity.keys.forget_sign_ins(new.principal.principal_id, now_us - _FORGET_US)
        return identity.keys.add(
            StoredKey(
                key_id=new.key_id,
                principal_id=new.principal.principal_id,
                display_name=new.display_name,
                # No text has this digest.
                digest="",
                pepper_version=0,
                scopes=new.scopes,
                workspaces=new.workspaces,
                created_by=new.principal.name,
                created_us=now_us,
                expires_us=new.ends_us,
                kind="sign_in",
                trust_id=new.trust_id,
            )
        )

    async def first(
        self, tenant_id: str, key_id: str, permissions: Collection[str], address: str
    ) -> SignedIn | None:
        """Makes the first refresh token of a login; None when it has had one already."""
        token = self._authority.ring.peppers.new_refresh_token(key_id)

        def work(identity: Identity) -> Standing | None:
            standing = identity.standing(key_id)
            if standing is None or standing.key.digest:
                return None
            return standing if self._rotate(identity, standing.key, token) else None

        standing = await self._store.tenant(tenant_id, work)
        return None if standing is None else self._signed_in(standing, token, permissions, address)

    async def refresh(self, text: str, permissions: Collection[str], address: str = "") -> SignedIn:
        """Exchanges a refresh token; the exchange uses it up.

        Args:
            text: The token.
            permissions: What the access token is limited to; empty for all that the login gives.
            address: The address that the call comes from.

        Raises:
            ServiceError: CREDENTIAL_INVALID or _REVOKED, TENANT_SUSPENDED, or QUOTA_EXCEEDED.
        """
        key = parsed(text, "refresh")
        tenant_id = await self._store.installation(
            lambda installation: installation.tenants.of_credential(key.key_id)
        )
        if tenant_id is None:
            raise refused(CredentialRefused())
        self._tenant_limits.check_exchange(tenant_id)
        token = self._authority.ring.peppers.new_refresh_token(key.key_id)
        verdict: Verdict = "raced"
        standing: Standing | None = None
        for _ in range(_TRIES):
            verdict, standing = await self._store.tenant(
                tenant_id, lambda identity: self._use(identity, key, token, address)
            )
            if verdict != "raced":
                break
        if verdict == "stolen":
            await self._authority.forget(tenant_id)
            raise refused(CredentialRefused("CREDENTIAL_REVOKED"))
        if verdict != "good" or standing is None:
            raise refused(CredentialRefused())
        return self._signed_in(standing, token, permissions, address)

    async def sign_out(self, caller: Caller) -> None:
        """Ends the login that the caller's token was made from; raises RESOURCE_NOT_FOUND."""

        def work(identity: Identity) -> None:
            found = identity.keys.find(caller.credential_id)
            if found is None or found[0].kind != "sign_in" or caller.run is not None:
                raise not_found("a login")
            identity.keys.change(caller.credential_id, revoked_us=self._clock.now_us())

        await self._trail.change(caller.tenant_id, work)

    def _use(
        self, identity: Identity, key: ApiKey, token: ApiKey, address: str
    ) -> tuple[Verdict, Standing | None]:
        standing = identity.standing(key.key_id)
        if standing is None or standing.key.kind != "sign_in":
            return "unknown", None
        verdict = self._verdict(standing.key, key)
        if verdict == "stolen" and standing.key.revoked_us is None:
            identity.tenant.touch()
            identity.keys.change(key.key_id, revoked_us=self._clock.now_us())
            self._trail.add(
                identity,
                standing,
                action="auth.refresh_reused",
                outcome="UNAUTHENTICATED",
                address=address,
            )
        if verdict == "good" and _accepted(standing, self._clock.now_us()):
            verdict = "good" if self._rotate(identity, standing.key, token) else "raced"
        return verdict, standing

    def _verdict(self, login: StoredKey, key: ApiKey) -> Verdict:
        peppers = self._authority.ring.peppers
        if peppers.matches(key, login.pepper_version, login.digest):
            return "good"
        for used in login.used_tokens:
            if peppers.matches(key, used.pepper_version, used.digest):
                since_us = self._clock.now_us() - used.used_us
                return "good" if since_us < GRACE_SECONDS * _SECOND else "stolen"
        # Earlier versions made random tokens; of those, only the kept ones are recognised.
        return "stolen" if peppers.has_made(key) else "unknown"

    def _rotate(self, identity: Identity, login: StoredKey, token: ApiKey) -> bool:
        version, digest = self._authority.ring.peppers.hash(token)
        now_us = self._clock.now_us()
        used = [UsedToken(login.pepper_version, login.digest, now_us)] if login.digest else []
        return identity.keys.rotate(
            replace(
                login,
                digest=digest,
                pepper_version=version,
                used_tokens=(*used, *login.used_tokens)[:KEPT_TOKENS],
                used_us=now_us,
            ),
            was=login.digest,
        )

    def _signed_in(
        self, standing: Standing, token: ApiKey, permissions: Collection[str], address: str
    ) -> SignedIn:
        now_us = self._clock.now_us()
        check_standing(standing, now_us)
        scopes = frozenset(permissions) if permissions else None
        exchanged = self._authority.issue(standing, now_us, scopes=scopes, address=address)
        return SignedIn(
            exchanged=exchanged, refresh_token=token.text, ends_us=standing.key.expires_us
        )


def parsed(text: str, kind: KeyKind) -> ApiKey:
    """Parses a credential of one kind; raises CREDENTIAL_INVALID."""
    try:
        key = parse_api_key(text)
    except CredentialRefused as error:
        raise refused(error) from error
    if key.kind != kind:
        raise refused(CredentialRefused())
    return key


def _accepted(standing: Standing, now_us: int) -> bool:
    return standing.key.holds(now_us) and not standing.tenant.suspended
